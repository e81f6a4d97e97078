//! Decodes the content codings of responses, and limits the decoded size.
//!
//! The HTTP client knows only `gzip` in lower case. Names of codings are case-insensitive, and `x-gzip` is an alias of
//! `gzip` (RFC 9110, section 8.4.1).

use std::io::{self, Write};

use brotli_decompressor::{BrotliDecoderParameter, DecompressorWriter};
use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use http::{HeaderMap, header};

use crate::upstream::error::ErrorKind;

/// The codings that requests accept.
pub const ACCEPT_ENCODING: &str = "gzip, br";

/// The size of the decoder's output buffer.
const BUFFER_BYTES: usize = 16 * 1024;

/// Decodes a body piece by piece, up to a limit.
pub enum BodyDecoder {
    Identity(LimitedBuffer),
    Gzip(Box<MultiGzDecoder<LimitedBuffer>>),
    Brotli(Box<DecompressorWriter<LimitedBuffer>>),
}

/// The decoded bytes.
pub struct LimitedBuffer {
    body: BytesMut,
    limit: usize,
    is_exceeded: bool,
}

impl BodyDecoder {
    /// A decoder for a response with these headers, whose decoded body may have `limit` bytes.
    ///
    /// # Errors
    /// If the request did not accept its coding.
    pub fn new(headers: &HeaderMap, limit: usize) -> Result<Self, ErrorKind> {
        let into = LimitedBuffer { body: BytesMut::new(), limit, is_exceeded: false };
        let values = headers.get_all(header::CONTENT_ENCODING).iter();
        let names = values.flat_map(|value| value.to_str().unwrap_or("?").split(','));
        let names = names.map(|name| name.trim().to_ascii_lowercase());
        let codings: Vec<String> = names.filter(|name| !matches!(name.as_str(), "" | "identity")).collect();
        match codings.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => Ok(Self::Identity(into)),
            ["gzip" | "x-gzip"] => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(into)))),
            ["br"] => {
                let mut decoder = Box::new(DecompressorWriter::new(into, BUFFER_BYTES));
                // Windows of up to 1 GiB are not part of the coding `br` (RFC 7932).
                decoder.set_parameter(BrotliDecoderParameter::BROTLI_DECODER_PARAM_LARGE_WINDOW, 0);
                Ok(Self::Brotli(decoder))
            }
            _ => Err(ErrorKind::Invalid("a content coding that the request does not accept")),
        }
    }

    /// Decodes the next piece.
    ///
    /// # Errors
    /// If it cannot be decoded, or the decoded body is larger than the limit.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), ErrorKind> {
        let taken = match self {
            Self::Identity(into) => into.write_all(piece),
            Self::Gzip(decoder) => decoder.write_all(piece),
            Self::Brotli(decoder) => decoder.write_all(piece),
        };
        taken.map_err(|_| self.malformed())
    }

    /// The whole decoded body.
    ///
    /// # Errors
    /// If its end is missing.
    pub fn finish(mut self) -> Result<Bytes, ErrorKind> {
        let finished = match &mut self {
            Self::Identity(_) => Ok(()),
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Brotli(decoder) => decoder.close(),
        };
        finished.map_err(|_| self.malformed())?;
        let collected = match self {
            Self::Identity(into) => into,
            Self::Gzip(decoder) => decoder.finish().map_err(|_| MALFORMED)?,
            Self::Brotli(decoder) => decoder.into_inner().map_err(|_| MALFORMED)?,
        };
        Ok(collected.body.freeze())
    }

    fn malformed(&self) -> ErrorKind {
        let collected = match self {
            Self::Identity(into) => into,
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Brotli(decoder) => decoder.get_ref(),
        };
        if collected.is_exceeded { ErrorKind::Invalid("larger than max_response_bytes") } else { MALFORMED }
    }
}

const MALFORMED: ErrorKind = ErrorKind::Invalid("a body that cannot be decompressed");

impl Write for LimitedBuffer {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.body.len().saturating_add(piece.len()) > self.limit {
            self.is_exceeded = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.body.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::HeaderValue;

    use super::*;

    fn read(coding: &'static str, pieces: &[&[u8]], most: usize) -> Result<Bytes, &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        let told = |kind| match kind {
            ErrorKind::Invalid(why) => why,
            _ => "another kind",
        };
        let mut decoder = BodyDecoder::new(&headers, most).map_err(told)?;
        pieces.iter().try_for_each(|piece| decoder.push(piece)).map_err(told)?;
        decoder.finish().map_err(told)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).expect("the encoder accepts it");
        encoder.finish().expect("the encoder accepts it")
    }

    /// "hello" as brotli: a stored block, and an empty last block (RFC 7932).
    const BROTLI: [u8; 10] = [0x0b, 0x02, 0x80, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x03, 0x00];

    #[test]
    fn each_coding_is_read_in_pieces_and_in_each_of_its_spellings() {
        let long = b"hello ".repeat(1000);
        let zipped = gzip(&long);
        let (one, rest) = zipped.split_at(7);
        for coding in ["gzip", "GZIP", "x-gzip", " Gzip , identity"] {
            assert_eq!(read(coding, &[one, rest], long.len()).as_deref(), Ok(&long[..]), "{coding}");
        }
        let (one, rest) = BROTLI.split_at(5);
        assert_eq!(read("BR", &[one, &rest[..4]], 5).as_deref(), Ok(&b"hello"[..]));
        assert_eq!(read("identity", &[b"hel", b"lo"], 5).as_deref(), Ok(&b"hello"[..]));
    }

    /// An empty body with a large window of 16 bits. A decoder of large windows accepts it.
    #[test]
    fn a_large_window_is_no_brotli() {
        assert_eq!(read("br", &[&[0x11, 0xd0]], 100), Err("a body that cannot be decompressed"));
    }

    #[test]
    fn too_large_broken_and_unsupported_bodies_are_errors() {
        let zipped = gzip(&b"hello ".repeat(1000));
        assert_eq!(read("gzip", &[&zipped], 5999), Err("larger than max_response_bytes"));
        assert_eq!(read("", &[b"hello"], 4), Err("larger than max_response_bytes"));
        assert_eq!(read("gzip", &[&zipped[..zipped.len() - 9]], 6000), Err("a body that cannot be decompressed"));
        assert_eq!(read("gzip", &[b"hello, this is no gzip"], 6000), Err("a body that cannot be decompressed"));
        assert_eq!(read("br", &[&BROTLI[..5]], 6000), Err("a body that cannot be decompressed"));
        for coding in ["deflate", "zstd", "gzip, gzip", "gzip, br"] {
            assert_eq!(
                read(coding, &[b"hello"], 6000),
                Err("a content coding that the request does not accept"),
                "{coding}"
            );
        }
    }
}
