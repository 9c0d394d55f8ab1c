//! Secret sharing over GF(2^8) with the AES polynomial (A. Shamir, "How to share a secret", 1979). A share is the
//! polynomials' values followed by the point, as Vault writes its key shares, so that 32 bytes become 33.
use aws_lc_rs::rand::fill;
use zeroize::Zeroizing;

/// Why shares cannot be made or put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShamirError {
    /// Below two, above 255, or more needed than made.
    #[error("shares must be 2 to 255, and the threshold 2 to the number of shares")]
    Parameters,
    /// Not of one size, without content, or the same point twice.
    #[error("the shares do not belong together")]
    Shares,
    /// The system has no randomness to give.
    #[error("the system gives no random numbers")]
    Random,
}

/// Splits `secret` into `shares`, any `threshold` of which give it back.
///
/// # Errors
/// When the numbers make no sense.
pub fn split(secret: &[u8], shares: u8, threshold: u8) -> Result<Vec<Zeroizing<Vec<u8>>>, ShamirError> {
    if secret.is_empty() || threshold < 2 || shares < threshold {
        return Err(ShamirError::Parameters);
    }
    let mut out: Vec<_> = (1..=shares).map(|_| Zeroizing::new(Vec::with_capacity(secret.len() + 1))).collect();
    let mut coefficients = Zeroizing::new(vec![0_u8; usize::from(threshold)]);
    for byte in secret {
        fill(&mut coefficients).map_err(|_| ShamirError::Random)?;
        coefficients[0] = *byte;
        for (share, x) in out.iter_mut().zip(1..=shares) {
            share.push(coefficients.iter().rev().fold(0, |sum, c| multiply(sum, x) ^ c));
        }
    }
    for (share, x) in out.iter_mut().zip(1..=shares) {
        share.push(x);
    }
    Ok(out)
}

/// Puts shares together. Too few of them, or wrong ones, give another secret: the caller has to check it.
///
/// # Errors
/// When they cannot belong together.
pub fn combine(shares: &[Zeroizing<Vec<u8>>]) -> Result<Zeroizing<Vec<u8>>, ShamirError> {
    let length = shares.first().map_or(0, |share| share.len());
    if shares.len() < 2 || length < 2 || shares.iter().any(|share| share.len() != length) {
        return Err(ShamirError::Shares);
    }
    let points: Vec<u8> = shares.iter().map(|share| share[length - 1]).collect();
    let repeated = (1..points.len()).any(|at| points[..at].contains(&points[at]));
    if repeated || points.contains(&0) {
        return Err(ShamirError::Shares);
    }
    let mut secret = Zeroizing::new(vec![0_u8; length - 1]);
    for (share, &x) in shares.iter().zip(&points) {
        let weight = points
            .iter()
            .filter(|&&other| other != x)
            .fold(1, |product, &other| multiply(product, multiply(other, invert(other ^ x))));
        for (out, value) in secret.iter_mut().zip(share.iter()) {
            *out ^= multiply(weight, *value);
        }
    }
    Ok(secret)
}

/// No table and no branch on the operands: the time does not tell them.
fn multiply(a: u8, b: u8) -> u8 {
    let (mut a, mut product) = (a, 0_u8);
    for bit in 0..8 {
        product ^= a & (b >> bit & 1).wrapping_neg();
        a = (a << 1) ^ (0x1b & (a >> 7).wrapping_neg());
    }
    product
}

/// `a^254`, which is the inverse of every `a` but 0.
fn invert(a: u8) -> u8 {
    (0..6).fold(multiply(a, a), |power, _| multiply(multiply(power, a), multiply(power, a)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_threshold_of_shares_gives_the_secret_and_fewer_do_not() {
        let secret = b"0123456789abcdef0123456789abcdef";
        let shares = split(secret, 5, 3).unwrap();
        for a in 0..5 {
            for b in a + 1..5 {
                let two = [shares[a].clone(), shares[b].clone()];
                assert_ne!(combine(&two).unwrap().as_slice(), secret);
                for c in b + 1..5 {
                    let three = [shares[c].clone(), shares[a].clone(), shares[b].clone()];
                    assert_eq!(combine(&three).unwrap().as_slice(), secret);
                }
            }
        }
    }

    #[test]
    fn every_element_but_zero_times_its_inverse_is_one() {
        assert!((1..=255).all(|a| multiply(a, invert(a)) == 1));
        assert_eq!(multiply(0x57, 0x83), 0xc1); // the example of FIPS 197, 4.2
    }

    #[test]
    fn shares_that_do_not_belong_together_are_refused() {
        let shares = split(b"secret", 3, 2).unwrap();
        assert_eq!(combine(&shares[..1]), Err(ShamirError::Shares));
        assert_eq!(combine(&[shares[0].clone(), shares[0].clone()]), Err(ShamirError::Shares));
        assert_eq!(combine(&[shares[0].clone(), Zeroizing::new(vec![1])]), Err(ShamirError::Shares));
        assert_eq!(split(b"secret", 2, 3).err(), Some(ShamirError::Parameters));
    }
}
