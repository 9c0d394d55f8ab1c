//! Wrapping tokens in the form of `X-Vault-Wrap-Format: jwt`: a signed token of three parts around the real one, so that
//! whoever receives it can tell who made it before they use it.
use crate::active::Active;
use crate::jwt::{Algorithm, Material, Parsed};
use crate::request::Request;
use lessor_engine::{Fields, Result, Secret};
use lessor_storage::{Batch, Expect};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

const KEY: &str = "core/wrapping/jwt-key";
/// How long before it was made a token counts: clocks differ.
const SKEW: i64 = 5;
/// What a JSON object begins with in base64url.
const BEGINNING: &str = "eyJ";

impl Active {
    /// The cluster's key, made when it is first asked for.
    async fn wrapping_key(&self) -> Result<Material> {
        if let Some(entry) = self.storage.get(KEY).await? {
            return Ok(serde_json::from_slice(&entry.value)?);
        }
        let made = Material::generate(Algorithm::ES512)?;
        let record = Zeroizing::new(serde_json::to_vec(&made)?);
        let batch = Batch::new().put(KEY, record.as_slice()).expect(KEY, Expect::Absent);
        if let Err(error) = self.storage.commit(batch).await {
            // Another request was first, or storage failed: the record tells.
            let entry = self.storage.get(KEY).await?.ok_or(error)?;
            return Ok(serde_json::from_slice(&entry.value)?);
        }
        Ok(made)
    }

    /// The signed form of a wrapping token that is kept for `seconds` from `now` (in seconds).
    ///
    /// # Errors
    /// When storage fails.
    pub(super) async fn sign_wrapping(&self, text: &Secret, accessor: &str, now: i64, seconds: u64) -> Result<Secret> {
        let claims = Map::from_iter([
            ("accessor".to_owned(), json!(accessor)),
            ("addr".to_owned(), json!(self.settings.api_addr)),
            ("exp".to_owned(), json!(now.saturating_add_unsigned(seconds))),
            ("iat".to_owned(), json!(now)),
            ("jti".to_owned(), json!(text.expose())),
            ("nbf".to_owned(), json!(now - SKEW)),
            ("type".to_owned(), json!("wrapping")),
        ]);
        Ok(Secret::new(self.wrapping_key().await?.sign(&claims)?))
    }

    /// The public half of the key, for those who check a wrapping token without using it: a point of P-521 in decimal.
    ///
    /// # Errors
    /// When storage fails.
    pub(crate) async fn wrapping_public_key(&self) -> Result<Value> {
        let key = self.wrapping_key().await?;
        let (x, y) = key.public.point();
        Ok(json!({ "jwt_curve": "p521", "jwt_x": decimal(x), "jwt_y": decimal(y) }))
    }

    /// The real token in a signed one; anything else as it is, for it will be refused as what it is.
    async fn opened(&self, text: &Secret) -> Result<Option<Secret>> {
        if !text.expose().starts_with(BEGINNING) {
            return Ok(None);
        }
        let Ok(parsed) = Parsed::parse(text.expose()) else { return Ok(None) };
        let key = self.wrapping_key().await?;
        let inner = parsed.claims.get("jti").and_then(Value::as_str);
        let inner = inner.filter(|_| parsed.signed_by(&key.public, key.algorithm));
        Ok(inner.map(Secret::new))
    }

    /// Puts the real token in the place of a signed one, in a request to use it.
    ///
    /// # Errors
    /// When storage fails.
    pub(crate) async fn open_wrapping(&self, request: &mut Request) -> Result<()> {
        if !matches!(request.path.as_str(), "sys/wrapping/lookup" | "sys/wrapping/unwrap" | "sys/wrapping/rewrap") {
            return Ok(());
        }
        if let Some(token) = &request.token
            && let Some(inner) = self.opened(token).await?
        {
            request.token = Some(inner);
        }
        if let Some(given) = text_field(&request.fields)
            && let Some(inner) = self.opened(&given).await?
        {
            request.fields.insert("token".to_owned(), json!(inner.expose()));
        }
        Ok(())
    }
}

/// A big-endian number in decimal.
fn decimal(bytes: &[u8]) -> String {
    const BASE: u64 = 1_000_000_000;
    let mut limbs: Vec<u64> = vec![0];
    for byte in bytes {
        let mut carry = u64::from(*byte);
        for limb in &mut limbs {
            let value = *limb * 256 + carry;
            (*limb, carry) = (value % BASE, value / BASE);
        }
        if carry > 0 {
            limbs.push(carry);
        }
    }
    let last = limbs.pop().unwrap_or_default();
    limbs.iter().rev().fold(last.to_string(), |text, limb| format!("{text}{limb:09}"))
}

fn text_field(fields: &Fields) -> Option<Secret> {
    fields.get("token").and_then(Value::as_str).map(Secret::new)
}

/// Whether a request asks for the signed form; any other word is the plain one, as the peers have it.
pub(crate) fn is_wanted(request: &Request) -> bool {
    request.headers.iter().any(|(name, value)| name == "x-vault-wrap-format" && value == "jwt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_decimal_whatever_their_length() {
        assert_eq!(decimal(&[]), "0");
        assert_eq!(decimal(&[0, 0, 255]), "255");
        assert_eq!(decimal(&u128::MAX.to_be_bytes()), u128::MAX.to_string());
        assert_eq!(decimal(&1_000_000_000_000_000_007_u128.to_be_bytes()), "1000000000000000007");
    }
}
