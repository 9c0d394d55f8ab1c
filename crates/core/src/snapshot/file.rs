//! The file: a gzipped tar archive, which is what clients check before they keep it.
//!
//! `meta.json` comes first. Each file below `entries/` holds some entries, `key length(4, big endian) key value
//! length(4) value` one behind the other. `SHA256SUMS` ends the archive with the digest of all that was in those files;
//! clients of the field look for `SHA256SUMS.sealed` to know that nothing is missing.
use aws_lc_rs::digest::{Context, SHA256};
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use lessor_engine::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufReader, Read, Seek};

const FORMAT: u32 = 1;
const META: &str = "meta.json";
const ENTRIES: &str = "entries/";
const SUMS: [&str; 2] = ["SHA256SUMS", "SHA256SUMS.sealed"];
/// Larger files are not in an archive of Lessor's.
const LARGEST: u64 = 256 << 20;

/// What a snapshot says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Always `lessor`.
    pub snapshot_of: String,
    /// Of the entries.
    pub format: u32,
    /// Lessor's, when it was taken.
    pub version: String,
    /// When.
    pub taken: Timestamp,
}

impl Header {
    /// Of a snapshot that begins now.
    pub fn new(version: &str, taken: Timestamp) -> Self {
        Self { snapshot_of: "lessor".to_owned(), format: FORMAT, version: version.to_owned(), taken }
    }
}

fn broken(reason: impl std::fmt::Display) -> Error {
    Error::invalid(format!("this is no snapshot of Lessor, or it is damaged: {reason}"))
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Internal(format!("a snapshot cannot be written: {error}"))
}

/// Writes a snapshot piece by piece.
pub(super) struct Encoder {
    archive: tar::Builder<GzEncoder<Vec<u8>>>,
    digest: Context,
    taken: u64,
    files: u32,
}

impl Encoder {
    /// Begins with the header.
    pub fn new(header: &Header) -> Result<Self> {
        let archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let taken = u64::try_from(header.taken.as_second()).unwrap_or_default();
        let mut encoder = Self { archive, digest: Context::new(&SHA256), taken, files: 0 };
        encoder.file(META, &serde_json::to_vec(header)?)?;
        Ok(encoder)
    }
    fn file(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut head = tar::Header::new_ustar();
        head.set_size(bytes.len() as u64);
        head.set_mode(0o600);
        head.set_mtime(self.taken);
        self.archive.append_data(&mut head, name, bytes).map_err(failed)
    }
    /// Adds entries.
    pub fn entries<'a>(&mut self, entries: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<()> {
        let mut bytes = Vec::new();
        for (key, value) in entries {
            for part in [key.as_bytes(), value] {
                bytes.extend(u32::try_from(part.len()).map_err(failed)?.to_be_bytes());
                bytes.extend(part);
            }
        }
        self.digest.update(&bytes);
        self.files += 1;
        self.file(&format!("{ENTRIES}{:010}", self.files), &bytes)
    }
    /// What is ready to be sent.
    pub fn ready(&mut self) -> Vec<u8> {
        std::mem::take(self.archive.get_mut().get_mut())
    }
    /// The rest.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        let sum = format!("{}  {ENTRIES}\n", hex::encode(self.digest.clone().finish()));
        for name in SUMS {
            self.file(name, sum.as_bytes())?;
        }
        self.archive.into_inner().and_then(GzEncoder::finish).map_err(failed)
    }
}

/// Reads a whole snapshot. What `each` was given may be believed only when this returns well.
pub(super) fn read(mut file: File, mut each: impl FnMut(&str, &[u8]) -> Result<()>) -> Result<Header> {
    file.rewind().map_err(broken)?;
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    let (mut header, mut sum, mut digest) = (None, None, Context::new(&SHA256));
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        if entry.size() > LARGEST {
            return Err(broken("a file in it is too large"));
        }
        let name = entry.path().map_err(broken)?.to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken)?;
        if name == META {
            header = Some(read_header(&bytes)?);
        } else if name.starts_with(ENTRIES) && header.is_some() {
            digest.update(&bytes);
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let key = std::str::from_utf8(part(&mut rest)?).map_err(broken)?;
                each(key, part(&mut rest)?)?;
            }
        } else if SUMS.contains(&name.as_str()) {
            sum = Some(bytes);
        } else {
            return Err(broken(format!("{name} is not of Lessor's")));
        }
    }
    let header = header.ok_or_else(|| broken(format!("{META} is missing")))?;
    let sum = sum.ok_or_else(|| broken("its end is missing"))?;
    if sum.starts_with(hex::encode(digest.finish()).as_bytes()) {
        Ok(header)
    } else {
        Err(broken("its digest is another one"))
    }
}

fn read_header(bytes: &[u8]) -> Result<Header> {
    let header: Header = serde_json::from_slice(bytes).map_err(broken)?;
    if header.snapshot_of != "lessor" || header.format != FORMAT {
        return Err(broken(format!("its format is {}, this version reads {FORMAT}", header.format)));
    }
    Ok(header)
}

fn part<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8]> {
    let cut = || broken("it ends in the middle of an entry");
    let (length, behind) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(broken)?;
    let (part, behind) = behind.split_at_checked(length).ok_or_else(cut)?;
    *rest = behind;
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn written(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut encoder = Encoder::new(&Header::new("1.0", Timestamp::UNIX_EPOCH)).unwrap();
        let mut bytes = Vec::new();
        for entry in entries {
            encoder.entries(std::iter::once(*entry)).unwrap();
            bytes.extend(encoder.ready());
        }
        bytes.extend(encoder.finish().unwrap());
        bytes
    }

    fn entries(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let mut all = Vec::new();
        read(file, |key, value| {
            all.push((key.to_owned(), value.to_vec()));
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn what_was_written_is_read_back() {
        let long = vec![7; 100_000];
        let all = entries(&written(&[("a", b""), ("b/c", b"value"), ("long", &long)])).unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].0.as_str(), all[1].1.as_slice(), all[2].1.len()), ("a", b"value".as_slice(), 100_000));
    }

    #[test]
    fn a_snapshot_that_was_cut_or_changed_is_refused() {
        let whole = written(&[("a", b"some value"), ("b", b"another")]);
        for end in 0..whole.len() * 9 / 10 {
            assert!(entries(&whole[..end]).is_err(), "cut at {end} of {}", whole.len());
        }
        let mut plain = Vec::new();
        GzDecoder::new(whole.as_slice()).read_to_end(&mut plain).unwrap();
        let at = plain.windows(4).position(|part| part == b"some").unwrap();
        plain[at] = b'S';
        let mut again = GzEncoder::new(Vec::new(), Compression::fast());
        again.write_all(&plain).unwrap();
        let error = entries(&again.finish().unwrap()).unwrap_err().to_string();
        assert!(error.contains("its digest is another one"), "{error}");
        assert!(entries(b"not gzip at all").unwrap_err().to_string().contains("no snapshot of Lessor"));
    }
}
