//! The files of the playground as they are embedded: compressed by brotli when the bundle was made. Whoever takes no
//! brotli, such as a browser over plain HTTP, gets a file that is unpacked once and kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read};

use brotli_decompressor::Decompressor;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzEncoder;
use http::HeaderValue;
use rust_embed::{Embed, EmbeddedFile};
use tokio::sync::OnceCell;

use crate::http::compression::ResponseCoding;

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
    /// Whether `bytes` are compressed by brotli. Other files are small, or fonts, which contain their own compression.
    is_brotli: bool,
    /// The file in the other codings, made when a client needs them first.
    plain: OnceCell<Bytes>,
    gzip: OnceCell<Bytes>,
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
            plain: OnceCell::new(),
            gzip: OnceCell::new(),
        }
    }

    /// The file and its coding: the accepted one, or `Identity` for files that are not compressed.
    ///
    /// # Errors
    /// If the embedded bytes cannot be decompressed.
    pub async fn encoded(&self, accepted: ResponseCoding) -> io::Result<(Bytes, ResponseCoding)> {
        let converted = match (self.is_brotli, accepted) {
            (false, _) => return Ok((self.bytes.clone(), ResponseCoding::Identity)),
            (true, ResponseCoding::Brotli) => return Ok((self.bytes.clone(), accepted)),
            (true, ResponseCoding::Gzip) => &self.gzip,
            (true, ResponseCoding::Identity) => &self.plain,
        };
        let bytes = converted.get_or_try_init(|| convert(self.bytes.clone(), accepted)).await?;
        Ok((bytes.clone(), accepted))
    }
}

/// Converts brotli to gzip or to the plain file. The largest files take some hundred milliseconds, so this does not run
/// on the runtime's threads.
async fn convert(brotli: Bytes, coding: ResponseCoding) -> io::Result<Bytes> {
    let convert = move || {
        let (mut plain, mut converted) = (Decompressor::new(&brotli[..], 4096), Vec::new());
        match coding {
            ResponseCoding::Gzip => GzEncoder::new(plain, Compression::default()).read_to_end(&mut converted)?,
            ResponseCoding::Identity | ResponseCoding::Brotli => plain.read_to_end(&mut converted)?,
        };
        Ok(Bytes::from(converted))
    };
    tokio::task::spawn_blocking(convert).await?
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_file_can_be_unpacked_and_has_a_type() {
        let bundle = Bundle::embedded();
        assert!(bundle.html().contains("{{nonce}}") && bundle.files.len() > 10);
        for (name, file) in &bundle.files {
            assert_ne!(file.media_type, "application/octet-stream", "{name}");
            for encoding in [ResponseCoding::Brotli, ResponseCoding::Gzip, ResponseCoding::Identity] {
                assert!(file.encoded(encoding).await.is_ok(), "{name} {encoding:?}");
            }
        }
    }
}
