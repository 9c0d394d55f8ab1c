//! JSON in place of HCL: read into the same [`Body`], so that faults of meaning can name their place too.
use crate::literal::digits;
use crate::scanner::Scanner;
use crate::{Body, Error, Item, Key, MAX_DEPTH, Node, Result, Span, Value};

/// Reads a JSON document whose outermost value is an object.
pub(crate) fn parse(text: &str) -> Result<Body> {
    let mut reader = Reader { scanner: Scanner::new(text), depth: 0 };
    let node = reader.value()?;
    reader.skip_spaces();
    if let Some(c) = reader.scanner.peek() {
        return reader.scanner.error(format!("unexpected {c:?} behind the document"));
    }
    match node.value {
        Value::Object(body) => Ok(body),
        other => Err(Error::at(node.span, format!("expected an object, got a {}", other.kind()))),
    }
}

struct Reader<'a> {
    scanner: Scanner<'a>,
    depth: usize,
}

impl Reader<'_> {
    fn skip_spaces(&mut self) {
        self.scanner.take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
    }

    /// The next character that is no space, left unread.
    fn peek(&mut self) -> Result<char> {
        self.skip_spaces();
        match self.scanner.peek() {
            Some(c) => Ok(c),
            None => self.scanner.error("unexpected end of the document"),
        }
    }

    fn expect(&mut self, wanted: char) -> Result<()> {
        let got = self.peek()?;
        if got != wanted {
            return self.scanner.error(format!("expected {wanted:?}, got {got:?}"));
        }
        self.scanner.bump();
        Ok(())
    }

    fn value(&mut self) -> Result<Node> {
        let next = self.peek()?;
        let span = self.scanner.span();
        let value = match next {
            '{' => self.object(span)?,
            '[' => self.list(span)?,
            '"' => Value::String(self.string()?),
            '-' | '0'..='9' => self.number(span)?,
            _ => match self.scanner.take_while(|c| c.is_ascii_alphabetic()) {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                _ => return Err(Error::at(span, format!("expected a value, got {next:?}"))),
            },
        };
        Ok(Node { value, span })
    }

    fn enter(&mut self, span: Span) -> Result<()> {
        self.scanner.bump();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::at(span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(())
    }

    fn object(&mut self, span: Span) -> Result<Value> {
        self.enter(span)?;
        let mut items = Vec::new();
        if self.peek()? != '}' {
            loop {
                self.peek()?;
                let place = self.scanner.span();
                let text = self.string()?;
                self.expect(':')?;
                let value = self.value()?;
                items.push(Item { keys: vec![Key { text, quoted: true, span: place }], assigned: true, value });
                if self.peek()? != ',' {
                    break;
                }
                self.scanner.bump();
            }
        }
        self.expect('}')?;
        self.depth -= 1;
        Ok(Value::Object(Body { items, span }))
    }

    fn list(&mut self, span: Span) -> Result<Value> {
        self.enter(span)?;
        let mut nodes = Vec::new();
        if self.peek()? != ']' {
            loop {
                nodes.push(self.value()?);
                if self.peek()? != ',' {
                    break;
                }
                self.scanner.bump();
            }
        }
        self.expect(']')?;
        self.depth -= 1;
        Ok(Value::List(nodes))
    }

    fn string(&mut self) -> Result<String> {
        let start = self.scanner.span();
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.scanner.bump() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape(start)?),
                Some(c) if u32::from(c) < 0x20 => {
                    return Err(Error::at(start, "control character in a string"));
                }
                Some(c) => text.push(c),
                None => return Err(Error::at(start, "string not terminated")),
            }
        }
    }

    fn escape(&mut self, start: Span) -> Result<char> {
        Ok(match self.scanner.bump() {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => match self.unicode() {
                Some(c) => c,
                None => return Err(Error::at(start, "illegal \\u escape in a string")),
            },
            _ => return Err(Error::at(start, "illegal escape in a string")),
        })
    }

    /// Four hexadecimal digits, and four more if they are the first half of a surrogate pair.
    fn unicode(&mut self) -> Option<char> {
        let first = digits(&mut self.scanner, 4, 16, 0)?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        if self.scanner.bump()? != '\\' || self.scanner.bump()? != 'u' {
            return None;
        }
        let second = digits(&mut self.scanner, 4, 16, 0)?;
        if !(0xdc00..0xe000).contains(&second) {
            return None;
        }
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    }

    fn number(&mut self, span: Span) -> Result<Value> {
        let text = self.scanner.take_while(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'));
        // serde_json knows the exact grammar of a number; only its place was needed here.
        let number: Option<serde_json::Number> = serde_json::from_str(text).ok();
        let value = number.and_then(|number| match number.as_i64() {
            Some(whole) => Some(Value::Int(whole)),
            None => number.as_f64().filter(|value| value.is_finite()).map(Value::Float),
        });
        value.ok_or_else(|| Error::at(span, format!("malformed number `{text}`")))
    }
}
