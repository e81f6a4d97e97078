//! The files of the playground as they are embedded: compressed by brotli when the bundle was made. Whoever takes no
//! brotli, such as a browser over plain HTTP, gets a file that is unpacked once and kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::OnceLock;

use brotli_decompressor::Decompressor;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, header};
use rust_embed::{Embed, EmbeddedFile};

#[derive(Embed)]
#[folder = "playground/dist"]
struct Embedded;

/// The page and its files, by their names below `/graphiql/`.
pub struct Bundle {
    html: String,
    files: BTreeMap<String, BundleFile>,
}

impl Bundle {
    /// What is in this program.
    pub fn embedded() -> Self {
        let mut bundle = Self { html: String::new(), files: BTreeMap::new() };
        for (name, file) in Embedded::iter().filter_map(|name| Embedded::get(&name).map(|file| (name, file))) {
            match name.as_ref() {
                "index.html" => bundle.html = String::from_utf8_lossy(&file.data).into_owned(),
                // Tells the tests what the bundle was made of.
                "sources.sha256" => {}
                _ => {
                    let (name, packed) = name.strip_suffix(".br").map_or((&*name, false), |name| (name, true));
                    bundle.files.insert(name.to_owned(), BundleFile::new(name, file, packed));
                }
            }
        }
        bundle
    }

    /// The page, with its blanks.
    pub fn html(&self) -> &str {
        &self.html
    }

    /// A file.
    pub fn file(&self, name: &str) -> Option<&BundleFile> {
        self.files.get(name)
    }
}

/// A file of the page.
pub struct BundleFile {
    pub media_type: HeaderValue,
    /// Weak, since it is the same in every encoding.
    pub etag: HeaderValue,
    bytes: Bytes,
    /// Whether `bytes` are compressed by brotli; else they are the file itself, and small as they are.
    is_brotli: bool,
    /// `None` within: it could not be made.
    plain: OnceLock<Option<Bytes>>,
    gzip: OnceLock<Option<Bytes>>,
}

impl BundleFile {
    fn new(name: &str, file: EmbeddedFile, packed: bool) -> Self {
        let digest: String = file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let bytes = match file.data {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        Self {
            media_type: media_type(name),
            etag: HeaderValue::from_str(&format!("W/\"{digest}\"")).unwrap_or(HeaderValue::from_static("W/\"\"")),
            bytes,
            is_brotli: packed,
            plain: OnceLock::new(),
            gzip: OnceLock::new(),
        }
    }

    /// The file as the caller takes it, where nothing is left to be done for that.
    pub fn encoded_if_ready(&self, encoding: ResponseCoding) -> Option<(Bytes, ResponseCoding)> {
        match (self.is_brotli, encoding) {
            (false, _) => Some((self.bytes.clone(), ResponseCoding::Identity)),
            (true, ResponseCoding::Brotli) => Some((self.bytes.clone(), encoding)),
            (true, ResponseCoding::Gzip) => Some((self.gzip.get()?.clone()?, encoding)),
            (true, ResponseCoding::Identity) => Some((self.plain.get()?.clone()?, encoding)),
        }
    }

    /// The same, after the work that it takes.
    pub fn encoded(&self, encoding: ResponseCoding) -> Option<(Bytes, ResponseCoding)> {
        let plain = self.plain.get_or_init(|| decompress(&self.bytes)).as_ref()?;
        if encoding == ResponseCoding::Gzip {
            self.gzip.get_or_init(|| compress(plain));
        }
        self.encoded_if_ready(encoding)
    }
}

fn decompress(bytes: &[u8]) -> Option<Bytes> {
    let mut plain = Vec::new();
    Decompressor::new(bytes, 4096).read_to_end(&mut plain).ok()?;
    Some(Bytes::from(plain))
}

fn compress(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

fn media_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("ttf") => "font/ttf",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    })
}

/// How a file is compressed on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResponseCoding {
    Brotli,
    Gzip,
    Identity,
}

impl ResponseCoding {
    /// The smallest that the caller takes, by its `Accept-Encoding` (RFC 9110, section 12.5.3).
    pub fn negotiate(headers: &HeaderMap) -> Self {
        let accepted: Vec<(String, bool)> = headers
            .get_all(header::ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|coding| {
                let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
                let quality = parameters.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
                (name.trim().to_ascii_lowercase(), quality.is_none_or(|quality| quality > 0.0))
            })
            .collect();
        let said = |name: &str| accepted.iter().find(|(coding, _)| coding == name).map(|(_, taken)| *taken);
        let takes = |name: &str| said(name).or_else(|| said("*")).unwrap_or(false);
        if takes("br") {
            Self::Brotli
        } else if takes("gzip") {
            Self::Gzip
        } else {
            Self::Identity
        }
    }

    /// As `Content-Encoding` names it.
    pub fn header_value(self) -> Option<HeaderValue> {
        match self {
            Self::Brotli => Some(HeaderValue::from_static("br")),
            Self::Gzip => Some(HeaderValue::from_static("gzip")),
            Self::Identity => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", ResponseCoding::Identity)]
    #[case("identity", ResponseCoding::Identity)]
    #[case("gzip, deflate, br, zstd", ResponseCoding::Brotli)]
    #[case("GZIP, deflate", ResponseCoding::Gzip)]
    #[case("br;q=0, gzip", ResponseCoding::Gzip)]
    #[case("br; q=0.000, *", ResponseCoding::Gzip)]
    #[case("gzip;q=0.1, br;q=0.01", ResponseCoding::Brotli)]
    #[case("*", ResponseCoding::Brotli)]
    #[case("*;q=0", ResponseCoding::Identity)]
    #[case("brotli, xgzip", ResponseCoding::Identity)]
    fn a_caller_gets_the_smallest_that_it_takes(#[case] accept: &'static str, #[case] encoding: ResponseCoding) {
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(accept))]);
        assert_eq!(ResponseCoding::negotiate(&headers), encoding);
    }

    #[test]
    fn every_file_can_be_unpacked_and_has_a_type() {
        let bundle = Bundle::embedded();
        assert!(bundle.html().contains("{{nonce}}") && bundle.files.len() > 10);
        for (name, file) in &bundle.files {
            assert_ne!(file.media_type, "application/octet-stream", "{name}");
            for encoding in [ResponseCoding::Brotli, ResponseCoding::Gzip, ResponseCoding::Identity] {
                assert!(
                    file.encoded_if_ready(encoding).or_else(|| file.encoded(encoding)).is_some(),
                    "{name} {encoding:?}"
                );
            }
        }
    }
}
