//! Content codings of request bodies: which are taken, and decoding within a bound.
//!
//! `identity`, `gzip` and `br`, one at a time. A body is decoded once it is there as a whole, so that a slow sender holds no
//! decoder; in small steps, between which other tasks run; and no further than the bound on bodies. The coded bytes of a
//! step are dropped when they are decoded.

use std::collections::VecDeque;
use std::io::{self, Write};

use brotli_decompressor::{BrotliDecoderParameter, DecompressorWriter};
use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use http::{HeaderMap, HeaderValue, header};
use tokio::task::yield_now;

/// The codings that a request may have, as `Accept-Encoding` of an answer names them (RFC 9110, section 12.5.3).
pub const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip, br");

/// How many coded bytes are decoded at once. Between two steps other tasks run, and the memory of those that are decoded
/// is free.
const CHUNK_BYTES: usize = 8 * 1024;

/// How a body is coded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContentCoding {
    Identity,
    Gzip,
    Brotli,
}

impl ContentCoding {
    /// By `Content-Encoding`; `None` where it is another one, or several on top of each other.
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

/// Why a body cannot be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError<E> {
    /// It is longer than the bound.
    TooLarge,
    /// It is cut off, or not coded as it says.
    Malformed,
    /// There is no room for it.
    Rejected(E),
}

/// A body as it comes.
pub enum Received {
    Identity(BytesMut),
    Gzip(Pieces),
    Brotli(Pieces),
}

/// Coded bytes in pieces of [`CHUNK_BYTES`], so that each piece is dropped when it is decoded.
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
    /// A body of which nothing has come yet.
    pub fn new(coding: ContentCoding) -> Self {
        match coding {
            ContentCoding::Identity => Self::Identity(BytesMut::new()),
            ContentCoding::Gzip => Self::Gzip(Pieces::default()),
            ContentCoding::Brotli => Self::Brotli(Pieces::default()),
        }
    }

    /// Adds the bytes that come next.
    pub fn extend(&mut self, data: &[u8]) {
        match self {
            Self::Identity(body) => body.extend_from_slice(data),
            Self::Gzip(pieces) | Self::Brotli(pieces) => pieces.extend(data),
        }
    }

    /// Decodes a body that is there as a whole. After each step `hold` is told how many bytes the body holds now: those
    /// that are not decoded yet, and those that are.
    ///
    /// # Errors
    /// Where it is longer than `limit`, is not coded as it says, or `hold` refuses.
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
                // A window of up to 1 GiB is no part of the coding `br` (RFC 7932).
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

    /// How many bytes there are so far.
    fn decoded(&self) -> usize {
        match self {
            Self::Gzip(decoder) => decoder.get_ref().bytes.len(),
            Self::Brotli(decoder) => decoder.get_ref().bytes.len(),
        }
    }

    /// The whole, where the end of the coded bytes is an end of the coding too.
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

/// Takes bytes up to a limit.
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

/// The decoder's own words are dropped: they could quote what was sent.
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

    /// A `br` body with all bytes as they are: a window of 16 bits, one uncompressed metablock, an empty last one
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
    fn one_coding_is_taken(#[case] values: &[&'static str], #[case] coding: Option<ContentCoding>) {
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
    async fn what_is_refused_while_it_is_decoded_is_refused() {
        let refused = received(ContentCoding::Gzip, &gzip(b"text")).decode(100, |_| Err("full")).await;
        assert_eq!(refused, Err(DecodeError::Rejected("full")));
    }

    #[tokio::test]
    async fn bytes_that_are_decoded_are_not_held_twice() {
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

    /// An empty body with a large window of 16 bits, which a decoder of large windows takes.
    #[tokio::test]
    async fn a_large_window_is_no_brotli() {
        let large = vec![0x11, 0xd0];
        assert_eq!(decoded(ContentCoding::Brotli, large, 100).await, Err(DecodeError::Malformed));
    }

    proptest! {
        #[test]
        fn what_was_coded_comes_back_and_what_was_cut_off_does_not(
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
        fn anything_is_decoded_or_refused(body in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            for coding in [ContentCoding::Gzip, ContentCoding::Brotli] {
                if let Ok(decoded) = runtime.block_on(decoded(coding, body.clone(), 10_000)) {
                    prop_assert!(decoded.len() <= 10_000);
                }
            }
        }
    }
}
