//! Compresses responses by `br` or `gzip`, unless they are short or contain unmasked data.
//!
//! Compressing a secret together with text that an attacker chooses reveals the secret by the length (BREACH). Callers
//! authenticate by a header that a page of another site cannot add, so such a page cannot get responses. In addition,
//! responses with unmasked data are never compressed.
//!
//! A response is compressed as a whole before it is sent, so that a slow client does not hold an encoder. It is compressed
//! in chunks, and other tasks run between two chunks.

use std::io::{self, Write};

use axum::body::{Body, HttpBody, to_bytes};
use axum::response::Response;
use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, header};
use tokio::task::yield_now;

/// Shorter responses fit into one packet without compression.
const MIN_BYTES: u64 = 1024;

/// How many bytes are compressed before other tasks can run.
const CHUNK_BYTES: usize = 32 * 1024;

/// At these levels, compressing takes little time compared with executing the operation.
const GZIP_LEVEL: u32 = 4;
const BROTLI_LEVEL: u32 = 4;
/// A window of 256 KiB: an encoder takes less than a megabyte.
const BROTLI_WINDOW_BITS: u32 = 18;

/// Compresses the response in the coding that the client accepts, if its body has a known length.
pub async fn compress(mut response: Response, accepted: &HeaderMap) -> Response {
    let vary = HeaderValue::from_static("accept-encoding");
    response.headers_mut().append(header::VARY, vary);
    let length = response.body().size_hint().exact();
    let encoding = ResponseCoding::negotiate(accepted);
    let Some(coding) = encoding.header_value().filter(|_| length.is_some_and(|length| length >= MIN_BYTES)) else {
        return response;
    };
    let (mut parts, body) = response.into_parts();
    // The body is in memory: its length is known.
    let Ok(plain) = to_bytes(body, usize::MAX).await else {
        tracing::error!("a response could not be read for compression");
        return Response::from_parts(parts, Body::empty());
    };
    let body = match encode(encoding, &plain).await {
        Ok(shorter) => {
            parts.headers.insert(header::CONTENT_ENCODING, coding);
            parts.headers.remove(header::CONTENT_LENGTH);
            Bytes::from(shorter)
        }
        Err(_) => plain,
    };
    Response::from_parts(parts, Body::from(body))
}

async fn encode(encoding: ResponseCoding, plain: &[u8]) -> io::Result<Vec<u8>> {
    match encoding {
        ResponseCoding::Identity => Ok(plain.to_vec()),
        ResponseCoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
            write_in_chunks(&mut encoder, plain).await?;
            encoder.finish()
        }
        ResponseCoding::Brotli => {
            let mut encoder = CompressorWriter::new(Vec::new(), CHUNK_BYTES, BROTLI_LEVEL, BROTLI_WINDOW_BITS);
            write_in_chunks(&mut encoder, plain).await?;
            Ok(encoder.into_inner())
        }
    }
}

async fn write_in_chunks(encoder: &mut (impl Write + Send), plain: &[u8]) -> io::Result<()> {
    for chunk in plain.chunks(CHUNK_BYTES) {
        encoder.write_all(chunk)?;
        yield_now().await;
    }
    Ok(())
}

/// The content coding of a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResponseCoding {
    Brotli,
    Gzip,
    Identity,
}

impl ResponseCoding {
    /// The smallest coding that the client accepts by `Accept-Encoding` (RFC 9110, section 12.5.3).
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
        let named =
            |name: &str| accepted.iter().find(|(coding, _)| coding == name).map(|(_, is_accepted)| *is_accepted);
        let accepts = |name: &str| named(name).or_else(|| named("*")).unwrap_or(false);
        if accepts("br") {
            Self::Brotli
        } else if accepts("gzip") {
            Self::Gzip
        } else {
            Self::Identity
        }
    }

    /// The value of `Content-Encoding`.
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
    use brotli_decompressor::Decompressor;
    use flate2::read::GzDecoder;
    use proptest::prelude::*;
    use rstest::rstest;
    use std::io::Read;

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
    fn the_smallest_accepted_coding_is_used(#[case] accept: &'static str, #[case] encoding: ResponseCoding) {
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(accept))]);
        assert_eq!(ResponseCoding::negotiate(&headers), encoding);
    }

    proptest! {
        // Without optimization the encoders are slow.
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn compressed_responses_decompress_to_the_original(plain in prop::collection::vec(0..20_u8, 0..3 * CHUNK_BYTES)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let encoded = |encoding| runtime.block_on(encode(encoding, &plain)).expect("it is encoded");
            let (mut gzip, mut brotli) = (Vec::new(), Vec::new());
            GzDecoder::new(encoded(ResponseCoding::Gzip).as_slice()).read_to_end(&mut gzip).expect("gzip");
            Decompressor::new(encoded(ResponseCoding::Brotli).as_slice(), 4096).read_to_end(&mut brotli).expect("brotli");
            prop_assert!(gzip == plain && brotli == plain);
        }
    }
}
