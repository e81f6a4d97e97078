//! The embedded files of the playground. The build of the bundle compressed them by brotli. For clients that do not accept
//! brotli, such as browsers over plain HTTP, a file is converted once and the result stays in memory.

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

/// The page, and its files by their paths below `/graphiql/`.
pub struct Bundle {
    html: String,
    files: BTreeMap<String, BundleFile>,
}

impl Bundle {
    /// The bundle that the binary contains.
    pub fn embedded() -> Self {
        let mut bundle = Self { html: String::new(), files: BTreeMap::new() };
        for (name, file) in Embedded::iter().filter_map(|name| Embedded::get(&name).map(|file| (name, file))) {
            match name.as_ref() {
                "index.html" => bundle.html = String::from_utf8_lossy(&file.data).into_owned(),
                // The hashes of the bundle's sources, which a test compares.
                "sources.sha256" => {}
                _ => {
                    let (name, is_brotli) = name.strip_suffix(".br").map_or((&*name, false), |name| (name, true));
                    bundle.files.insert(name.to_owned(), BundleFile::new(name, file, is_brotli));
                }
            }
        }
        bundle
    }

    /// The page with its placeholders.
    pub fn html(&self) -> &str {
        &self.html
    }

    /// The file of a path; `None` if it is unknown.
    pub fn file(&self, name: &str) -> Option<&BundleFile> {
        self.files.get(name)
    }
}

/// A file of the page.
pub struct BundleFile {
    pub media_type: HeaderValue,
    /// A weak tag, because it is the same for every coding.
    pub etag: HeaderValue,
    bytes: Bytes,
    /// Whether `bytes` are compressed by brotli. Fonts are not, because their format is compressed already.
    is_brotli: bool,
    /// The file in the other codings, made when a client needs them first.
    plain: OnceCell<Bytes>,
    gzip: OnceCell<Bytes>,
}

impl BundleFile {
    fn new(name: &str, file: EmbeddedFile, is_brotli: bool) -> Self {
        let digest: String = file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let bytes = match file.data {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        Self {
            media_type: media_type(name),
            etag: HeaderValue::from_str(&format!("W/\"{digest}\"")).unwrap_or(HeaderValue::from_static("W/\"\"")),
            bytes,
            is_brotli,
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

/// Converts brotli to gzip or to the plain file. Converting a large file takes long, so this does not run on the runtime's
/// threads.
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
    async fn every_file_has_every_coding_and_a_type() {
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
