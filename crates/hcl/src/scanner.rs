//! Text into tokens.
use crate::{Error, Result, Span, literal};

/// A piece of the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    End,
    Ident(String),
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    Heredoc(String),
    Assign,
    Comma,
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
}

impl Token {
    /// What to call it in a message.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::End => "EOF",
            Self::Ident(_) => "IDENT",
            Self::Bool(_) => "BOOL",
            Self::Int(_) => "NUMBER",
            Self::Float(_) => "FLOAT",
            Self::String(_) => "STRING",
            Self::Heredoc(_) => "HEREDOC",
            Self::Assign => "ASSIGN",
            Self::Comma => "COMMA",
            Self::OpenBrace => "LBRACE",
            Self::CloseBrace => "RBRACE",
            Self::OpenBracket => "LBRACK",
            Self::CloseBracket => "RBRACK",
        }
    }
}

/// Reads characters and knows where it is. Shared by the HCL and the JSON reader.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: Span,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: Span { offset: 0, line: 1, column: 1 } }
    }

    /// Where the next character stands.
    pub(crate) fn span(&self) -> Span {
        self.at
    }

    /// What is left to read. The offset only ever moves by whole characters, so `get` never fails.
    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at.offset..).unwrap_or("")
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn peek_second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    pub(crate) fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at.offset += next.len_utf8();
        if next == '\n' {
            self.at.line += 1;
            self.at.column = 1;
        } else {
            self.at.column += 1;
        }
        Some(next)
    }

    /// Takes characters as long as they satisfy `wanted`.
    pub(crate) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let start = self.at.offset;
        while self.peek().is_some_and(&wanted) {
            self.bump();
        }
        rest.get(..self.at.offset - start).unwrap_or("")
    }

    /// An error at the next character.
    pub(crate) fn error<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(Error::at(self.at, message))
    }

    /// The next token and where it begins.
    pub(crate) fn token(&mut self) -> Result<(Token, Span)> {
        self.skip_blanks()?;
        let span = self.at;
        let Some(next) = self.peek() else {
            return Ok((Token::End, span));
        };
        let single = match next {
            '=' => Some(Token::Assign),
            ',' => Some(Token::Comma),
            '{' => Some(Token::OpenBrace),
            '}' => Some(Token::CloseBrace),
            '[' => Some(Token::OpenBracket),
            ']' => Some(Token::CloseBracket),
            _ => None,
        };
        if let Some(token) = single {
            self.bump();
            return Ok((token, span));
        }
        let token = match next {
            '"' => Token::String(literal::string(self)?),
            '<' => Token::Heredoc(literal::heredoc(self)?),
            '0'..='9' => literal::number(self)?,
            '-' if self.peek_second().is_some_and(|c| c.is_ascii_digit()) => literal::number(self)?,
            c if is_letter(c) => match self.take_while(|c| is_letter(c) || c.is_numeric() || c == '-' || c == '.') {
                "true" => Token::Bool(true),
                "false" => Token::Bool(false),
                name => Token::Ident(name.to_owned()),
            },
            c => return self.error(format!("illegal character {c:?}")),
        };
        Ok((token, span))
    }

    /// Skips spaces and comments.
    fn skip_blanks(&mut self) -> Result<()> {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r' | '\n') => {
                    self.bump();
                }
                Some('#') => {
                    self.take_while(|c| c != '\n');
                }
                Some('/') => match self.peek_second() {
                    Some('/') => {
                        self.take_while(|c| c != '\n');
                    }
                    Some('*') => self.skip_block_comment()?,
                    _ => return self.error("expected '/' for comment"),
                },
                _ => return Ok(()),
            }
        }
    }

    fn skip_block_comment(&mut self) -> Result<()> {
        let start = self.at;
        self.bump();
        self.bump();
        loop {
            match self.bump() {
                Some('*') if self.peek() == Some('/') => {
                    self.bump();
                    return Ok(());
                }
                Some(_) => {}
                None => return Err(Error::at(start, "comment not terminated")),
            }
        }
    }
}

fn is_letter(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}
