//! Tokens into a [`Body`].
use crate::scanner::{Scanner, Token};
use crate::{Body, Error, Item, Key, MAX_DEPTH, Node, Result, Span, Value};

/// Reads an HCL document.
pub(crate) fn parse(text: &str) -> Result<Body> {
    let mut parser = Parser { scanner: Scanner::new(text), ahead: None, depth: 0 };
    let span = parser.scanner.span();
    let items = parser.items(false)?;
    Ok(Body { items, span })
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    /// A token that was read too early.
    ahead: Option<(Token, Span)>,
    depth: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Result<(Token, Span)> {
        match self.ahead.take() {
            Some(token) => Ok(token),
            None => self.scanner.token(),
        }
    }

    /// Items up to the closing brace (left unread), or up to the end of the text.
    fn items(&mut self, inside: bool) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        loop {
            let (token, span) = self.next()?;
            match token {
                Token::End if !inside => return Ok(items),
                Token::CloseBrace if inside => {
                    self.ahead = Some((token, span));
                    return Ok(items);
                }
                _ => self.ahead = Some((token, span)),
            }
            items.push(self.item()?);
            // One comma between items is allowed anywhere; lists of objects are often written so.
            let (token, span) = self.next()?;
            if token != Token::Comma {
                self.ahead = Some((token, span));
            }
        }
    }

    fn item(&mut self) -> Result<Item> {
        let mut keys = Vec::new();
        loop {
            let (token, span) = self.next()?;
            let (text, quoted) = match token {
                Token::Ident(text) => (text, false),
                Token::String(text) => (text, true),
                Token::Assign if keys.len() == 1 => {
                    let value = self.value()?;
                    return Ok(Item { keys, assigned: true, value });
                }
                Token::Assign if keys.len() > 1 => {
                    return Err(Error::at(span, "nested object expected: LBRACE got: ASSIGN"));
                }
                Token::OpenBrace if !keys.is_empty() => {
                    let value = self.object(span)?;
                    return Ok(Item { keys, assigned: false, value });
                }
                Token::End if inside_key(&keys) => {
                    let message = format!("key '{}' expected start of object ('{{') or assignment ('=')", names(&keys));
                    return Err(Error::at(span, message));
                }
                Token::End => return Err(Error::at(span, "object expected closing RBRACE got: EOF")),
                other if inside_key(&keys) => {
                    let message = format!("expected: IDENT | STRING | ASSIGN | LBRACE got: {}", other.name());
                    return Err(Error::at(span, message));
                }
                other => {
                    return Err(Error::at(span, format!("expected: IDENT | STRING got: {}", other.name())));
                }
            };
            keys.push(Key { text, quoted, span });
        }
    }

    fn value(&mut self) -> Result<Node> {
        let (token, span) = self.next()?;
        self.value_of(token, span)
    }

    fn value_of(&mut self, token: Token, span: Span) -> Result<Node> {
        let value = match token {
            Token::Bool(value) => Value::Bool(value),
            Token::Int(value) => Value::Int(value),
            Token::Float(value) => Value::Float(value),
            Token::String(text) | Token::Heredoc(text) => Value::String(text),
            Token::OpenBrace => return self.object(span),
            Token::OpenBracket => return self.list(span),
            Token::End => return Err(Error::at(span, "expected a value, got: EOF")),
            Token::Ident(name) => {
                return Err(Error::at(span, format!("unknown value `{name}`; strings need quotes")));
            }
            other => return Err(Error::at(span, format!("expected a value, got: {}", other.name()))),
        };
        Ok(Node { value, span })
    }

    /// An object whose brace has been read.
    fn object(&mut self, span: Span) -> Result<Node> {
        self.enter(span)?;
        let items = self.items(true)?;
        let (token, place) = self.next()?;
        if token != Token::CloseBrace {
            return Err(Error::at(place, format!("object expected closing RBRACE got: {}", token.name())));
        }
        self.depth -= 1;
        let value = Value::Object(Body { items, span });
        Ok(Node { value, span })
    }

    /// A list whose bracket has been read.
    fn list(&mut self, span: Span) -> Result<Node> {
        self.enter(span)?;
        let mut nodes = Vec::new();
        let mut need_comma = false;
        loop {
            let (token, place) = self.next()?;
            match token {
                Token::CloseBracket => break,
                Token::Comma => need_comma = false,
                Token::End => return Err(Error::at(place, "list expected closing RBRACK got: EOF")),
                // Objects and lists delimit themselves; a comma between them may be missing.
                other if need_comma && !matches!(other, Token::OpenBrace | Token::OpenBracket) => {
                    let message = format!("error parsing list, expected comma or list end, got: {}", other.name());
                    return Err(Error::at(place, message));
                }
                other => {
                    nodes.push(self.value_of(other, place)?);
                    need_comma = true;
                }
            }
        }
        self.depth -= 1;
        let value = Value::List(nodes);
        Ok(Node { value, span })
    }

    fn enter(&mut self, span: Span) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::at(span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(())
    }
}

fn inside_key(keys: &[Key]) -> bool {
    !keys.is_empty()
}

fn names(keys: &[Key]) -> String {
    let names: Vec<_> = keys.iter().map(|key| key.text.as_str()).collect();
    names.join(" ")
}
