//! How SSH writes things down (RFC 4251, 5).

/// Bytes with their length in front.
pub(crate) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    // Everything written here is bounded by the largest request, far below 2³².
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// A positive number: no leading zeros, but one where the first bit would make it negative.
pub(crate) fn put_number(out: &mut Vec<u8>, big_endian: &[u8]) {
    let zeros = big_endian.iter().take_while(|byte| **byte == 0).count();
    let digits = &big_endian[zeros..];
    if digits.first().is_some_and(|byte| *byte >= 0x80) {
        put(out, &[&[0], digits].concat());
    } else {
        put(out, digits);
    }
}

/// Takes bytes with their length in front off the start.
pub(crate) fn take<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = from.split_at_checked(4)?;
    let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
    let (bytes, rest) = rest.split_at_checked(length)?;
    *from = rest;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_rfc_4251_shows_them() {
        let written = |number: &[u8]| {
            let mut out = Vec::new();
            put_number(&mut out, number);
            out
        };
        assert_eq!(written(&[0, 0]), [0, 0, 0, 0]);
        assert_eq!(written(&[0x80]), [0, 0, 0, 2, 0, 0x80]);
        assert_eq!(written(&[0, 0x09, 0xa3]), [0, 0, 0, 2, 0x09, 0xa3]);
    }

    #[test]
    fn what_is_cut_off_is_not_taken() {
        let mut from: &[u8] = &[0, 0, 0, 2, 1];
        assert_eq!(take(&mut from), None);
        let mut from: &[u8] = &[0, 0, 0, 1, 7, 9];
        assert_eq!((take(&mut from), from), (Some(&[7_u8][..]), &[9_u8][..]));
    }
}
