//! Elements of BER (X.690), which AWS writes its signed messages in: lengths may be indefinite, octet strings in pieces.
use x509_parser::asn1_rs::{Any, Class, FromBer};

/// Deeper than any message that is read here.
const DEEPEST: usize = 8;

/// One element.
#[derive(Clone, Copy)]
pub(crate) struct Element<'a> {
    class: Class,
    tag: u32,
    constructed: bool,
    /// What is in it.
    pub(crate) content: &'a [u8],
    /// With its header.
    pub(crate) whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// The first element, and what follows.
    pub(crate) fn first(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (rest, any) = Any::from_ber(input).ok()?;
        let whole = input.get(..input.len() - rest.len())?;
        let (class, tag) = (any.header.class(), any.header.tag().0);
        Some((Self { class, tag, constructed: any.header.constructed(), content: any.data, whole }, rest))
    }
    /// The elements in it.
    pub(crate) fn children(&self) -> Option<Vec<Self>> {
        let (mut rest, mut found) = (self.content, Vec::new());
        while self.constructed && !rest.is_empty() {
            let (element, behind) = Self::first(rest)?;
            found.push(element);
            rest = behind;
        }
        self.constructed.then_some(found)
    }
    /// Whether it is one of the types that every module has.
    pub(crate) fn is(&self, tag: u32) -> bool {
        self.class == Class::Universal && self.tag == tag
    }
    /// Whether it is `[tag]`.
    pub(crate) fn is_own(&self, tag: u32) -> bool {
        self.class == Class::ContextSpecific && self.tag == tag
    }
    /// The octets of a string, whole or in pieces.
    pub(crate) fn octets(&self) -> Option<Vec<u8>> {
        self.pieces(DEEPEST)
    }
    fn pieces(&self, deepest: usize) -> Option<Vec<u8>> {
        if !self.is(OCTET_STRING) || deepest == 0 {
            return None;
        }
        if !self.constructed {
            return Some(self.content.to_vec());
        }
        let pieces: Option<Vec<Vec<u8>>> = self.children()?.iter().map(|piece| piece.pieces(deepest - 1)).collect();
        Some(pieces?.concat())
    }
}

pub(crate) const INTEGER: u32 = 2;
pub(crate) const OCTET_STRING: u32 = 4;
pub(crate) const OID: u32 = 6;
pub(crate) const SEQUENCE: u32 = 16;
pub(crate) const SET: u32 = 17;

/// The header of a definite length, as DER has it.
pub(crate) fn der_header(identifier: u8, length: usize) -> Vec<u8> {
    let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    match (u8::try_from(length), u8::try_from(bytes.len())) {
        (Ok(short), _) if short < 0x80 => vec![identifier, short],
        (_, Ok(count)) => [vec![identifier, 0x80 | count], bytes].concat(),
        // A length has at most eight bytes.
        (_, Err(_)) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_in_pieces_and_lengths_without_an_end_are_read() {
        let whole = [0x04, 2, b'a', b'b'];
        let pieces = [0x24, 0x80, 0x04, 1, b'a', 0x24, 3, 0x04, 1, b'b', 0, 0];
        for bytes in [&whole[..], &pieces[..]] {
            let (element, rest) = Element::first(bytes).unwrap();
            assert_eq!((element.octets().unwrap(), rest.len(), element.whole), (b"ab".to_vec(), 0, bytes));
        }
        for broken in [&[][..], &[0x04], &[0x04, 5, 1], &[0x24, 0x80, 0x04, 1, b'a'], &[0x04, 0x80, 0, 0]] {
            assert!(Element::first(broken).and_then(|(element, _)| element.octets()).is_none(), "{broken:?}");
        }
        let nested = [[0x24, 0x80].repeat(40), [0, 0].repeat(40)].concat();
        assert!(Element::first(&nested).and_then(|(element, _)| element.octets()).is_none());
    }

    #[test]
    fn a_length_is_written_as_short_as_it_can_be() {
        assert_eq!(der_header(0x31, 5), [0x31, 5]);
        assert_eq!(der_header(0x31, 200), [0x31, 0x81, 200]);
        assert_eq!(der_header(0x31, 300), [0x31, 0x82, 1, 44]);
    }
}
