//! Content codings of request bodies: `identity`, `gzip` and `br`, one per body.
//!
//! A body is decoded when all of it has arrived, so that a slow client does not hold a decoder. It is decoded in chunks, and
//! other tasks run between two chunks. Decoding stops at the limit on bodies. The coded bytes of a chunk are dropped when
//! they are decoded.

use std::collections::VecDeque;
use std::io::{self, Write};

use brotli_decompressor::{BrotliDecoderParameter, DecompressorWriter};
use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use http::{HeaderMap, HeaderValue, header};
use tokio::task::yield_now;

/// The accepted codings of requests, as `Accept-Encoding` of a response lists them (RFC 9110, section 12.5.3).
pub const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip, br");

/// How many coded bytes are decoded before other tasks can run and the memory of these bytes is freed.
const CHUNK_BYTES: usize = 8 * 1024;

/// The content coding of a request body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContentCoding {
    Identity,
    Gzip,
    Brotli,
}

impl ContentCoding {
    /// The coding that `Content-Encoding` names; `None` if it is unknown, or if there are several.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut coding = Self::Identity;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            for name in value.to_str().ok()?.split(',').map(|name| name.trim().to_ascii_lowercase()) {
                let named = match name.as_str() {
                    "" | "identity" => continue,
                    "gzip" | "x-gzip" => Self::Gzip,
                    "br" => Self::Brotli,
                    _ => return None,
                };
                if coding != Self::Identity {
                    return None;
                }
                coding = named;
            }
        }
        Some(coding)
    }
}

/// The error of a body that cannot be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError<E> {
    /// The decoded body is longer than the limit.
    TooLarge,
    /// The body is incomplete, or not coded as `Content-Encoding` says.
    Malformed,
    /// `hold` rejected it.
    Rejected(E),
}

/// The bytes of a body that have arrived.
pub enum Received {
    Identity(BytesMut),
    Gzip(Pieces),
    Brotli(Pieces),
}

/// Coded bytes in pieces of [`CHUNK_BYTES`]. Each piece is dropped when it is decoded.
#[derive(Default)]
pub struct Pieces {
    pieces: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Pieces {
    fn extend(&mut self, mut data: &[u8]) {
        self.bytes += data.len();
        while !data.is_empty() {
            match self.pieces.back_mut().filter(|last| last.len() < CHUNK_BYTES) {
                Some(last) => {
                    let (now, later) = data.split_at(data.len().min(CHUNK_BYTES - last.len()));
                    last.extend_from_slice(now);
                    data = later;
                }
                None => self.pieces.push_back(Vec::new()),
            }
        }
    }
}

impl Received {
    /// A body of which nothing has arrived.
    pub fn new(coding: ContentCoding) -> Self {
        match coding {
            ContentCoding::Identity => Self::Identity(BytesMut::new()),
            ContentCoding::Gzip => Self::Gzip(Pieces::default()),
            ContentCoding::Brotli => Self::Brotli(Pieces::default()),
        }
    }

    /// Appends bytes.
    pub fn extend(&mut self, data: &[u8]) {
        match self {
            Self::Identity(body) => body.extend_from_slice(data),
            Self::Gzip(pieces) | Self::Brotli(pieces) => pieces.extend(data),
        }
    }

    /// Decodes a complete body. After each chunk it calls `hold` with the bytes that the body takes now: the coded bytes
    /// that are left, and the decoded ones.
    ///
    /// # Errors
    /// If the decoded body is longer than `limit`, if it is not coded as `Content-Encoding` says, or if `hold` fails.
    pub async fn decode<E>(
        self,
        limit: usize,
        mut hold: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Bytes, DecodeError<E>> {
        let into = LimitedBuffer { bytes: Vec::new(), limit };
        let (mut decoder, Pieces { mut pieces, bytes: mut coded }) = match self {
            Self::Identity(body) => return Ok(body.freeze()),
            Self::Gzip(pieces) => (RequestDecoder::Gzip(Box::new(MultiGzDecoder::new(into))), pieces),
            Self::Brotli(pieces) => {
                let mut decoder = Box::new(DecompressorWriter::new(into, CHUNK_BYTES));
                // Windows of up to 1 GiB are an extension that the coding `br` does not include (RFC 7932).
                decoder.set_parameter(BrotliDecoderParameter::BROTLI_DECODER_PARAM_LARGE_WINDOW, 0);
                (RequestDecoder::Brotli(decoder), pieces)
            }
        };
        while let Some(piece) = pieces.pop_front() {
            decoder.step(&piece).map_err(|error| decode_error(&error))?;
            coded -= piece.len();
            drop(piece);
            hold(coded + decoder.decoded()).map_err(DecodeError::Rejected)?;
            yield_now().await;
        }
        let decoded = decoder.finish().map_err(|error| decode_error(&error))?;
        hold(decoded.len()).map_err(DecodeError::Rejected)?;
        Ok(Bytes::from(decoded))
    }
}

enum RequestDecoder {
    Gzip(Box<MultiGzDecoder<LimitedBuffer>>),
    Brotli(Box<DecompressorWriter<LimitedBuffer>>),
}

impl RequestDecoder {
    fn step(&mut self, coded: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.write_all(coded)?,
            Self::Brotli(decoder) => decoder.write_all(coded)?,
        }
        Ok(())
    }

    /// How many bytes are decoded.
    fn decoded(&self) -> usize {
        match self {
            Self::Gzip(decoder) => decoder.get_ref().bytes.len(),
            Self::Brotli(decoder) => decoder.get_ref().bytes.len(),
        }
    }

    /// The decoded body. It is an error if the coded bytes end too early.
    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(decoder) => decoder.finish().map(|bounded| bounded.bytes),
            Self::Brotli(decoder) => match decoder.into_inner() {
                Ok(bounded) => Ok(bounded.bytes),
                Err(_cut_off) => Err(io::ErrorKind::UnexpectedEof.into()),
            },
        }
    }
}

/// A buffer that rejects bytes over its limit.
struct LimitedBuffer {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for LimitedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Drops the text of the decoder's error, which could quote the body.
fn decode_error<E>(error: &io::Error) -> DecodeError<E> {
    if error.kind() == io::ErrorKind::FileTooLarge { DecodeError::TooLarge } else { DecodeError::Malformed }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::Compression;
    use flate2::read::GzEncoder;
    use http::HeaderName;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut coded = Vec::new();
        GzEncoder::new(plain, Compression::best()).read_to_end(&mut coded).expect("a gzip body");
        coded
    }

    /// A `br` body without compression: a window of 16 bits, one uncompressed metablock, and an empty last one
    /// (RFC 7932, section 9.2).
    fn brotli(plain: &[u8]) -> Vec<u8> {
        let length = u32::try_from(plain.len() - 1).expect("a short text");
        // WBITS 0, ISLAST 0, MNIBBLES 4, MLEN - 1, ISUNCOMPRESSED 1, from the lowest bit on.
        let head = (length << 4) | (1 << 20);
        let [a, b, c, _] = head.to_le_bytes();
        [&[a, b, c], plain, &[3]].concat()
    }

    fn received(coding: ContentCoding, body: &[u8]) -> Received {
        let mut received = Received::new(coding);
        body.chunks(3_000).for_each(|piece| received.extend(piece));
        received
    }

    async fn decoded(coding: ContentCoding, body: Vec<u8>, limit: usize) -> Result<Bytes, DecodeError<()>> {
        let mut held = 0;
        let decoded = received(coding, &body).decode(limit, |bytes| {
            held = bytes;
            Ok(())
        });
        let decoded = decoded.await?;
        assert_eq!(held, decoded.len());
        Ok(decoded)
    }

    #[rstest]
    #[case(&[], Some(ContentCoding::Identity))]
    #[case(&["identity"], Some(ContentCoding::Identity))]
    #[case(&["gzip"], Some(ContentCoding::Gzip))]
    #[case(&["X-GZIP"], Some(ContentCoding::Gzip))]
    #[case(&["identity, br"], Some(ContentCoding::Brotli))]
    #[case(&["gzip, gzip"], None)]
    #[case(&["gzip", "br"], None)]
    #[case(&["deflate"], None)]
    #[case(&["zstd"], None)]
    #[case(&["gzip;q=1"], None)]
    fn one_coding_is_accepted(#[case] values: &[&'static str], #[case] coding: Option<ContentCoding>) {
        let name: HeaderName = header::CONTENT_ENCODING;
        let headers = values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect();
        assert_eq!(ContentCoding::from_headers(&headers), coding);
    }

    #[tokio::test]
    async fn a_bomb_is_cut_at_the_limit() {
        let bomb = gzip(&vec![b' '; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert_eq!(decoded(ContentCoding::Gzip, bomb.clone(), 1_000_000).await, Err(DecodeError::TooLarge));
        assert_eq!(decoded(ContentCoding::Gzip, bomb, 10_000_000).await.expect("at the limit").len(), 10_000_000);
    }

    #[tokio::test]
    async fn several_members_of_gzip_are_one_body() {
        let members = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
        assert_eq!(decoded(ContentCoding::Gzip, members, 100).await, Ok(Bytes::from_static(b"one two")));
    }

    #[tokio::test]
    async fn an_error_of_hold_ends_decoding() {
        let refused = received(ContentCoding::Gzip, &gzip(b"text")).decode(100, |_| Err("full")).await;
        assert_eq!(refused, Err(DecodeError::Rejected("full")));
    }

    #[tokio::test]
    async fn decoded_chunks_are_dropped() {
        // Nothing is compressed, so the coded form is a little longer than the plain one.
        let plain: Vec<u8> = (0..100_000_u32).map(|i| i.to_le_bytes()[0]).collect();
        let mut coded = Vec::new();
        GzEncoder::new(plain.as_slice(), Compression::none()).read_to_end(&mut coded).expect("a gzip body");
        let (mut most, most_allowed) = (0, coded.len() + 64);
        let decoded = received(ContentCoding::Gzip, &coded).decode(plain.len(), |held| {
            most = most.max(held);
            if held > most_allowed { Err(held) } else { Ok(()) }
        });
        assert_eq!(decoded.await, Ok(Bytes::from(plain)));
        assert!(most > 90_000, "{most}");
    }

    /// An empty body with a large window of 16 bits. A decoder that supports large windows would accept it.
    #[tokio::test]
    async fn large_windows_are_rejected() {
        let large = vec![0x11, 0xd0];
        assert_eq!(decoded(ContentCoding::Brotli, large, 100).await, Err(DecodeError::Malformed));
    }

    proptest! {
        #[test]
        fn bodies_decode_to_the_original_and_incomplete_ones_are_rejected(
            plain in prop::collection::vec(any::<u8>(), 1..5_000),
            part in 0.0..1.0,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            for (coding, coded) in [(ContentCoding::Gzip, gzip(&plain)), (ContentCoding::Brotli, brotli(&plain))] {
                let limit = plain.len();
                let whole = runtime.block_on(decoded(coding, coded.clone(), limit));
                prop_assert_eq!(whole, Ok(Bytes::from(plain.clone())));
                let one_less = runtime.block_on(decoded(coding, coded.clone(), limit - 1));
                prop_assert_eq!(one_less, Err(DecodeError::TooLarge));
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a length")]
                let cut = (coded.len() as f64 * part) as usize;
                let cut_off = runtime.block_on(decoded(coding, coded[..cut].to_vec(), limit));
                prop_assert_eq!(cut_off, Err(DecodeError::Malformed));
            }
        }

        #[test]
        fn any_bytes_are_decoded_or_rejected(body in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            for coding in [ContentCoding::Gzip, ContentCoding::Brotli] {
                if let Ok(decoded) = runtime.block_on(decoded(coding, body.clone(), 10_000)) {
                    prop_assert!(decoded.len() <= 10_000);
                }
            }
        }
    }
}
