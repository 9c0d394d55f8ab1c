//! Text into entries that keep the comments and the way things were written.
use super::{Element, Entry, Item, Value};
use crate::scanner::{Scanner, Token};
use crate::{Error, Result, Span};

/// A token or comment as it was written, with its first and last line.
struct Piece<'a> {
    text: &'a str,
    /// `None` for a comment.
    token: Option<Token>,
    line: usize,
    last: usize,
}

/// Reads the entries of a whole document that is known to be HCL.
pub(super) fn entries(text: &str) -> Result<Vec<Entry<'_>>> {
    let mut reader = Reader { pieces: pieces(text)?, at: 0 };
    reader.body()
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>> {
    let mut scanner = Scanner::new(text);
    let mut pieces = Vec::new();
    let mut end = scanner.span();
    loop {
        let (token, start) = scanner.token()?;
        comments(text, end, start, &mut pieces);
        end = scanner.span();
        if token == Token::End {
            return Ok(pieces);
        }
        let raw = text.get(start.offset..end.offset).unwrap_or_default();
        // A heredoc may end with the line end behind its mark.
        let last = end.line - usize::from(raw.ends_with('\n'));
        pieces.push(Piece { text: raw.trim_end_matches('\n'), token: Some(token), line: start.line, last });
    }
}

/// Finds the comments in the blanks between two tokens.
fn comments<'a>(text: &'a str, from: Span, to: Span, pieces: &mut Vec<Piece<'a>>) {
    let mut rest = text.get(from.offset..to.offset).unwrap_or_default();
    let mut line = from.line;
    while let Some(start) = rest.find(['#', '/']) {
        line += rest[..start].matches('\n').count();
        rest = &rest[start..];
        let length = if let Some(inside) = rest.strip_prefix("/*") {
            inside.find("*/").map_or(rest.len(), |end| end + 4)
        } else {
            rest.find('\n').unwrap_or(rest.len())
        };
        let comment = rest[..length].trim_end();
        let last = line + comment.matches('\n').count();
        pieces.push(Piece { text: comment, token: None, line, last });
        line = last;
        rest = &rest[length..];
    }
}

struct Reader<'a> {
    pieces: Vec<Piece<'a>>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&Piece<'a>> {
        self.pieces.get(self.at)
    }

    fn is(&self, token: &Token) -> bool {
        self.peek().is_some_and(|piece| piece.token.as_ref() == Some(token))
    }

    /// The text of the next piece.
    fn take(&mut self) -> Result<&'a str> {
        let piece = self.pieces.get(self.at).ok_or_else(|| Error::at(Span::default(), "unexpected end"))?;
        self.at += 1;
        Ok(piece.text)
    }

    fn skip(&mut self, token: &Token) {
        if self.is(token) {
            self.at += 1;
        }
    }

    /// The line the piece before the next one ended on.
    fn line_before(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.pieces.get(at)).map_or(0, |piece| piece.last)
    }

    /// Comments up to the next token: groups with an empty line behind them, and those right above it.
    fn comments(&mut self) -> (Vec<Vec<&'a str>>, Vec<&'a str>) {
        let mut groups: Vec<Vec<&'a str>> = Vec::new();
        let mut last = 0;
        while let Some(Piece { text, token: None, line, last: end }) = self.peek() {
            let (text, line, end) = (*text, *line, *end);
            match groups.last_mut() {
                Some(group) if line == last + 1 => group.push(text),
                _ => groups.push(vec![text]),
            }
            last = end;
            self.at += 1;
        }
        let close = self.is(&Token::CloseBrace) || self.is(&Token::CloseBracket);
        let touches = self.peek().is_some_and(|piece| piece.line <= last + 1) && !close;
        let lead = if touches { groups.pop().unwrap_or_default() } else { Vec::new() };
        (groups, lead)
    }

    /// A comment on the line the piece before it ended on.
    fn trail(&mut self) -> Option<&'a str> {
        let line = self.line_before();
        match self.peek() {
            Some(Piece { text, token: None, line: at, .. }) if *at == line => {
                let text = *text;
                self.at += 1;
                Some(text)
            }
            _ => None,
        }
    }

    fn body(&mut self) -> Result<Vec<Entry<'a>>> {
        let mut entries = Vec::new();
        loop {
            let (groups, lead) = self.comments();
            entries.extend(groups.into_iter().map(Entry::Comments));
            if self.peek().is_none() || self.is(&Token::CloseBrace) {
                if !lead.is_empty() {
                    entries.push(Entry::Comments(lead));
                }
                return Ok(entries);
            }
            entries.push(Entry::Item(self.item(lead)?));
        }
    }

    fn item(&mut self, mut lead: Vec<&'a str>) -> Result<Item<'a>> {
        let line = self.peek().map_or(0, |piece| piece.line);
        let mut keys = Vec::new();
        let mut assigned = false;
        loop {
            // A comment between a key and its value moves above them.
            let (groups, inner) = self.comments();
            lead.extend(groups.into_iter().flatten().chain(inner));
            if self.is(&Token::Assign) {
                self.at += 1;
                assigned = true;
                let (groups, inner) = self.comments();
                lead.extend(groups.into_iter().flatten().chain(inner));
                break;
            }
            if self.is(&Token::OpenBrace) {
                break;
            }
            keys.push(self.take()?);
        }
        let value = self.value()?;
        self.skip(&Token::Comma);
        let trail = self.trail();
        Ok(Item { lead, keys, assigned, value, trail, line })
    }

    fn value(&mut self) -> Result<Value<'a>> {
        if self.is(&Token::OpenBrace) {
            self.at += 1;
            let entries = self.body()?;
            self.skip(&Token::CloseBrace);
            return Ok(Value::Object(entries));
        }
        if self.is(&Token::OpenBracket) {
            return self.list();
        }
        Ok(Value::Literal(self.take()?))
    }

    fn list(&mut self) -> Result<Value<'a>> {
        let bracket = self.peek().map_or(0, |piece| piece.line);
        self.at += 1;
        let mut elements = Vec::new();
        let mut broken = false;
        loop {
            let (groups, near) = self.comments();
            let lead: Vec<&str> = groups.into_iter().flatten().chain(near).collect();
            broken |= !lead.is_empty();
            if self.is(&Token::CloseBracket) {
                self.at += 1;
                return Ok(Value::List { elements, tail: lead, broken });
            }
            if self.is(&Token::Comma) {
                self.at += 1;
                continue;
            }
            broken |= self.peek().is_some_and(|piece| piece.line != bracket);
            let value = self.value()?;
            self.skip(&Token::Comma);
            let trail = self.trail();
            broken |= trail.is_some();
            elements.push(Element { lead, value, trail });
        }
    }
}
