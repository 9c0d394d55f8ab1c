//! Strings, heredocs and numbers.
use crate::scanner::{Scanner, Token};
use crate::{Error, Result, Span};

/// A quoted string. Escapes are resolved, except within `${…}`, which stays as it was written and may hold
/// quotes and line breaks.
pub(crate) fn string(scanner: &mut Scanner<'_>) -> Result<String> {
    let start = scanner.span();
    scanner.bump();
    let mut bytes = Vec::new();
    let mut braces = 0_usize;
    loop {
        let place = scanner.span();
        let Some(next) = scanner.bump() else {
            return Err(Error::at(start, "literal not terminated"));
        };
        match next {
            '"' if braces == 0 => break,
            '\n' if braces == 0 => return Err(Error::at(start, "literal not terminated")),
            '\\' if braces == 0 => escape(scanner, place, &mut bytes)?,
            '$' if braces == 0 && scanner.peek() == Some('{') => {
                scanner.bump();
                bytes.extend_from_slice(b"${");
                braces = 1;
            }
            other => {
                match other {
                    '{' if braces > 0 => braces += 1,
                    '}' if braces > 0 => braces -= 1,
                    _ => {}
                }
                push(&mut bytes, other);
            }
        }
    }
    // Only `\x` and octal escapes can make bytes that are no text.
    String::from_utf8(bytes).map_err(|_| Error::at(start, "string is not valid UTF-8"))
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// What follows a backslash.
fn escape(scanner: &mut Scanner<'_>, place: Span, bytes: &mut Vec<u8>) -> Result<()> {
    let illegal = || Error::at(place, "illegal char escape");
    let byte = match scanner.bump().ok_or_else(illegal)? {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '"' => b'"',
        'x' => byte(digits(scanner, 2, 16, 0).ok_or_else(illegal)?).ok_or_else(illegal)?,
        first @ '0'..='7' => {
            let value = digits(scanner, 2, 8, first as u32 - '0' as u32).ok_or_else(illegal)?;
            byte(value).ok_or_else(illegal)?
        }
        long @ ('u' | 'U') => {
            let count = if long == 'u' { 4 } else { 8 };
            let code = digits(scanner, count, 16, 0).and_then(char::from_u32);
            push(bytes, code.ok_or_else(illegal)?);
            return Ok(());
        }
        _ => return Err(illegal()),
    };
    bytes.push(byte);
    Ok(())
}

fn byte(value: u32) -> Option<u8> {
    u8::try_from(value).ok()
}

/// Exactly `count` digits, added behind `value`.
pub(crate) fn digits(scanner: &mut Scanner<'_>, count: u32, radix: u32, value: u32) -> Option<u32> {
    let mut value = value;
    for _ in 0..count {
        let digit = scanner.peek()?.to_digit(radix)?;
        scanner.bump();
        value = value.checked_mul(radix)?.checked_add(digit)?;
    }
    Some(value)
}

/// `<<MARK` or `<<-MARK`, lines, and a line that holds only the mark.
pub(crate) fn heredoc(scanner: &mut Scanner<'_>) -> Result<String> {
    let start = scanner.span();
    scanner.bump();
    if scanner.peek() != Some('<') {
        return Err(Error::at(start, "heredoc expected second '<', didn't see it"));
    }
    scanner.bump();
    let indented = scanner.peek() == Some('-');
    if indented {
        scanner.bump();
    }
    let mark = scanner.take_while(|c| c == '_' || c.is_alphanumeric());
    if mark.is_empty() {
        return Err(Error::at(start, "zero-length heredoc anchor"));
    }
    if scanner.peek() == Some('\r') {
        scanner.bump();
    }
    if scanner.peek() != Some('\n') {
        return scanner.error("invalid characters in heredoc anchor");
    }
    scanner.bump();
    let mut text = String::new();
    loop {
        if scanner.peek().is_none() {
            return Err(Error::at(start, "heredoc not terminated"));
        }
        let line = scanner.take_while(|c| c != '\n');
        let unspaced = line.trim_start_matches([' ', '\t', '\r', '\x0b', '\x0c']);
        if unspaced.trim_end_matches('\r') == mark {
            let indent = line.get(..line.len() - unspaced.len()).unwrap_or("");
            return Ok(if indented {
                unindent(&text, indent)
            } else {
                // The space before the mark belongs to the text, as odd as that is.
                text + indent
            });
        }
        text.push_str(line);
        if scanner.bump().is_some() {
            text.push('\n');
        }
    }
}

/// Takes the indent of the closing mark off every line, if every line has it.
fn unindent(text: &str, indent: &str) -> String {
    if !text.lines().all(|line| line.starts_with(indent)) {
        return text.to_owned();
    }
    text.split_inclusive('\n').map(|line| line.strip_prefix(indent).unwrap_or(line)).collect()
}

/// Decimal, hexadecimal and octal whole numbers, and floats.
pub(crate) fn number(scanner: &mut Scanner<'_>) -> Result<Token> {
    let start = scanner.span();
    let malformed = |text: &str| Error::at(start, format!("malformed number `{text}`"));
    let negative = scanner.peek() == Some('-');
    if negative {
        scanner.bump();
    }
    let leading = scanner.peek() == Some('0');
    if leading && matches!(scanner.peek_second(), Some('x' | 'X')) {
        scanner.bump();
        scanner.bump();
        let text = scanner.take_while(|c| c.is_ascii_hexdigit());
        return whole(text, 16, negative).ok_or_else(|| malformed(&format!("0x{text}")));
    }
    let rest = scanner.rest();
    let digits = scanner.take_while(|c| c.is_ascii_digit());
    let mut length = digits.len();
    let mut float = false;
    if scanner.peek() == Some('.') {
        float = true;
        scanner.bump();
        length += 1 + scanner.take_while(|c| c.is_ascii_digit()).len();
    }
    if matches!(scanner.peek(), Some('e' | 'E')) {
        float = true;
        scanner.bump();
        length += 1;
        if matches!(scanner.peek(), Some('+' | '-')) {
            scanner.bump();
            length += 1;
        }
        let exponent = scanner.take_while(|c| c.is_ascii_digit());
        length += exponent.len();
    }
    let text = rest.get(..length).unwrap_or(digits);
    if float {
        let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
        let value = value.ok_or_else(|| malformed(text))?;
        return Ok(Token::Float(if negative { -value } else { value }));
    }
    let octal = leading && text.len() > 1;
    whole(text, if octal { 8 } else { 10 }, negative).ok_or_else(|| malformed(text))
}

fn whole(digits: &str, radix: u32, negative: bool) -> Option<Token> {
    let value = i128::from(u64::from_str_radix(digits, radix).ok()?);
    let value = if negative { -value } else { value };
    i64::try_from(value).ok().map(Token::Int)
}
