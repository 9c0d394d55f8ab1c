//! Password policies: how long a password is, what it is made of, and what must be in it.
mod parse;

use crate::{Error, Result, Secret};
use std::time::{Duration, Instant};
use zeroize::Zeroize;

/// Shorter passwords are no protection, longer ones are refused by many platforms.
const LENGTHS: std::ops::RangeInclusive<usize> = 4..=100;
/// One random byte decides one character.
const MAX_CHARSET: usize = 256;
/// How long [`PasswordPolicy::generate`] draws before it calls the rules unsatisfiable.
const PATIENCE: Duration = Duration::from_secs(1);

/// At least `min` characters out of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    charset: Vec<char>,
    min: usize,
}

/// A policy that is known to make sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    length: usize,
    charset: Vec<char>,
    rules: Vec<Rule>,
}

impl PasswordPolicy {
    /// Reads `length = 20` and `rule "charset" { charset = "abc" min-chars = 1 }` blocks, in HCL or JSON, plain or in
    /// base64. Makes one password on trial.
    ///
    /// # Errors
    /// [`Error::Invalid`] with what is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let policy = parse::parse(&parse::decode(text))?;
        policy.generate()?;
        Ok(policy)
    }

    fn new(length: i64, rules: Vec<Rule>) -> Result<Self> {
        let fail = |reason: String| Err(Error::Invalid(reason));
        let length = match usize::try_from(length) {
            Ok(length) if length > 0 => length,
            _ => return fail("length must be > 0".to_owned()),
        };
        let mut charset: Vec<char> = rules.iter().flat_map(|rule| rule.charset.iter().copied()).collect();
        charset.sort_unstable();
        charset.dedup();
        if charset.is_empty() {
            return fail("no charset specified".to_owned());
        }
        if charset.len() > MAX_CHARSET {
            return fail(format!("charset has {} characters, at most {MAX_CHARSET} are allowed", charset.len()));
        }
        if let Some(odd) = charset.iter().find(|c| c.is_control() || (c.is_whitespace() && **c != ' ')) {
            return fail(format!("non-printable character in charset: {odd:?}"));
        }
        let needed = rules.iter().fold(0usize, |sum, rule| sum.saturating_add(rule.min));
        if needed > length {
            return fail(format!("specified rules require at least {needed} characters but {length} is specified"));
        }
        if !LENGTHS.contains(&length) {
            return fail(format!("passwords must be between {} and {} characters", LENGTHS.start(), LENGTHS.end()));
        }
        Ok(Self { length, charset, rules })
    }

    /// Twenty characters with a lower and an upper case letter, a digit and a hyphen.
    pub fn standard() -> Self {
        let rule = |charset: &str| Rule { charset: charset.chars().collect(), min: 1 };
        let rules = ["abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "-"].map(rule).into();
        let charset = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".chars().collect();
        Self { length: 20, charset, rules }
    }

    /// How many characters a password has.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Every character a password may have.
    pub fn charset(&self) -> &[char] {
        &self.charset
    }

    /// How many bits it takes to guess: an upper bound, as the rules exclude a few passwords.
    #[allow(clippy::cast_precision_loss)]
    pub fn bits(&self) -> f64 {
        self.length as f64 * (self.charset.len() as f64).log2()
    }

    /// Whether the text could have been made by this policy.
    pub fn allows(&self, password: &str) -> bool {
        password.chars().count() == self.length
            && password.chars().all(|c| self.charset.contains(&c))
            && self.rules_hold(password)
    }

    fn rules_hold(&self, candidate: &str) -> bool {
        let count = |rule: &Rule| candidate.chars().filter(|c| rule.charset.contains(c)).count();
        self.rules.iter().all(|rule| rule.min == 0 || count(rule) >= rule.min)
    }

    /// A password. Whole candidates are drawn until one keeps every rule: mending one would make some passwords
    /// likelier than others.
    ///
    /// # Errors
    /// [`Error::Invalid`] `timed out generating string` when none was found within a second.
    pub fn generate(&self) -> Result<Secret> {
        let begun = Instant::now();
        loop {
            let mut candidate: String = (0..self.length).map(|_| *draw(&self.charset)).collect();
            if self.rules_hold(&candidate) {
                return Ok(Secret::new(candidate));
            }
            candidate.zeroize();
            if begun.elapsed() > PATIENCE {
                return Err(Error::invalid("timed out generating string"));
            }
        }
    }
}

/// A password for callers that name no policy.
pub fn default_password() -> Secret {
    let policy = PasswordPolicy::standard();
    loop {
        // One in four candidates keeps the rules, so this ends.
        if let Ok(password) = policy.generate() {
            return password;
        }
    }
}

/// One of `set` (up to 256 elements, never empty), each as likely as the others: bytes that would favour the first few
/// are thrown away.
pub(crate) fn draw<T>(set: &[T]) -> &T {
    debug_assert!(!set.is_empty() && set.len() <= MAX_CHARSET);
    let fair = MAX_CHARSET - MAX_CHARSET % set.len();
    loop {
        let byte = usize::from(rand::random::<u8>());
        if byte < fair {
            return &set[byte % set.len()];
        }
    }
}

#[cfg(test)]
mod tests;
