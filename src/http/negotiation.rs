//! The media type of the response by `Accept`, and the check of the request's `Content-Type`.

use http::{HeaderMap, HeaderValue, header};
use mime::Mime;

/// The two media types of GraphQL responses. They differ in their statuses. With the newer type the status tells whether
/// the request failed. With plain JSON every well-formed GraphQL response has status 200.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResponseMediaType {
    /// `application/graphql-response+json`
    GraphqlResponse,
    /// `application/json`
    Json,
}

impl ResponseMediaType {
    /// The header's value.
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        })
    }

    /// The type that the client prefers; `None` if it accepts neither. A client without `Accept`, or with `*/*`, gets plain
    /// JSON, because it may not know the newer type.
    pub fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let accept: Vec<&str> =
            headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        let ranges: Vec<Mime> =
            accept.iter().flat_map(|value| value.split(',')).filter_map(|range| range.trim().parse().ok()).collect();
        if accept.iter().all(|value| value.trim().is_empty()) {
            return Some(Self::Json);
        }
        let newer = Preference::for_subtype(&ranges, "graphql-response", Some("json"));
        let plain = Preference::for_subtype(&ranges, "json", None);
        match (newer.quality > 0, plain.quality > 0) {
            (false, false) => None,
            (true, false) => Some(Self::GraphqlResponse),
            (false, true) => Some(Self::Json),
            // With equal qualities the newer type wins if the client names it.
            (true, true) => {
                let newer_wins = newer.is_exact && newer.quality >= plain.quality || newer.quality > plain.quality;
                Some(if newer_wins { Self::GraphqlResponse } else { Self::Json })
            }
        }
    }
}

/// How much a client prefers a media type.
struct Preference {
    /// The `q` value in thousandths.
    quality: u16,
    is_exact: bool,
}

impl Preference {
    /// The preference by the most specific range that matches (RFC 9110, section 12.5.1).
    fn for_subtype(ranges: &[Mime], subtype: &str, suffix: Option<&str>) -> Self {
        let specificity = |range: &Mime| {
            let exact_suffix = range.suffix().map(|suffix| suffix.as_str()) == suffix;
            if range.type_() == mime::APPLICATION && range.subtype() == subtype && exact_suffix {
                Some(2)
            } else if range.type_() == mime::APPLICATION && range.subtype() == mime::STAR {
                Some(1)
            } else if range.type_() == mime::STAR && range.subtype() == mime::STAR {
                Some(0)
            } else {
                None
            }
        };
        let best = ranges.iter().filter_map(|range| Some((specificity(range)?, range))).max_by_key(|(rank, _)| *rank);
        match best {
            None => Self { quality: 0, is_exact: false },
            Some((rank, range)) => Self { quality: quality(range), is_exact: rank == 2 },
        }
    }
}

/// The `q` of a range in thousandths; 1000 if it is missing or invalid.
fn quality(range: &Mime) -> u16 {
    let given = range.get_param("q").and_then(|q| q.as_str().parse::<f32>().ok());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is between 0 and 1000")]
    given.map_or(1000, |q| (q.clamp(0.0, 1.0) * 1000.0) as u16)
}

/// Whether `Content-Type` is JSON in UTF-8. Other types are rejected: an HTML form of another site could send some of them
/// without a preflight.
pub fn is_json(headers: &HeaderMap) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()?.parse::<Mime>().ok());
    said.is_some_and(|media_type| {
        let json = media_type.type_() == mime::APPLICATION && media_type.subtype() == mime::JSON;
        let utf_8 = |charset: mime::Name<'_>| {
            let charset = charset.as_str().trim_matches('"');
            ["utf-8", "utf8"].iter().any(|name| charset.eq_ignore_ascii_case(name))
        };
        json && media_type.suffix().is_none() && media_type.get_param("charset").is_none_or(utf_8)
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", Some(ResponseMediaType::Json))]
    #[case("*/*", Some(ResponseMediaType::Json))]
    #[case("application/*", Some(ResponseMediaType::Json))]
    #[case("application/json", Some(ResponseMediaType::Json))]
    #[case("application/graphql-response+json", Some(ResponseMediaType::GraphqlResponse))]
    #[case(
        "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8",
        Some(ResponseMediaType::GraphqlResponse)
    )]
    #[case("application/json, application/graphql-response+json", Some(ResponseMediaType::GraphqlResponse))]
    #[case("application/graphql-response+json;q=0.5, application/json", Some(ResponseMediaType::Json))]
    #[case(
        "application/graphql-response+json, application/json;q=0.9, */*;q=0.1",
        Some(ResponseMediaType::GraphqlResponse)
    )]
    #[case("application/json;q=0, */*", Some(ResponseMediaType::GraphqlResponse))]
    #[case("text/html", None)]
    #[case("text/html, */*;q=0", None)]
    fn the_preferred_media_type_is_used(#[case] accept: &'static str, #[case] media: Option<ResponseMediaType>) {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
        assert_eq!(ResponseMediaType::negotiate(&headers), media);
    }

    #[rstest]
    #[case("application/json", true)]
    #[case("application/json; charset=UTF-8", true)]
    #[case("application/json; charset=utf8", true)]
    #[case("application/json; charset=\"UTF-8\"", true)]
    #[case("application/json; charset=utf-16", false)]
    #[case("application/json; charset=\"utf-8", false)]
    #[case("application/json; charset=utf-8x", false)]
    #[case("text/plain", false)]
    #[case("multipart/form-data; boundary=x", false)]
    #[case("application/x-www-form-urlencoded", false)]
    #[case("application/graphql+json", false)]
    #[case("", false)]
    fn only_json_bodies_are_accepted(#[case] content_type: &'static str, #[case] read: bool) {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        assert_eq!(is_json(&headers), read);
    }
}
