//! Documents that are large, nested, repetitive or circular.

use rstest::rstest;
use serde_json::{Value, json};

use super::{Attacked, MOST_TOLD, PLANTED, fragments, items, refused};
use crate::support::codes;

const NESTING: (&str, usize) = ("max_nesting", 64);

#[rstest]
#[case::lists("{ customers(filter: ", "[", "]", ") { totalCount } }", 2_000, 2)]
#[case::more_lists("{ customers(filter: ", "[", "]", ") { totalCount } }", 7_900, 2)]
#[case::objects("{ customers(filter: ", "{planted:", "}", ") { totalCount } }", 2_000, 2)]
#[case::more_objects("{ customers(filter: ", "{planted:", "}", ") { totalCount } }", 2_400, 2)]
#[case::selections("{ viewer ", "{a", "}", "}", 4_900, 1)]
#[case::types("query ($planted: ", "[", "]", "Int) { __typename }", 7_900, 1)]
#[case::defaults("query ($planted: Int = ", "[", "]", ") { __typename }", 7_900, 1)]
#[case::in_a_directive("{ viewer @include(if: ", "[", "]", ") { subject } }", 7_900, 2)]
#[tokio::test]
async fn brackets_in_brackets_are_refused_before_a_parser_sees_them(
    #[case] before: &str,
    #[case] open: &str,
    #[case] close: &str,
    #[case] after: &str,
    #[case] levels: usize,
    #[case] around: usize,
) {
    let attacked = Attacked::start().await;
    let (bound, limit) = NESTING;
    // With closing brackets, 7,900 levels would exceed `max_tokens` first.
    let closed_levels = levels.min(2_400);
    let closed = format!("{before}{}1{}{after}", open.repeat(closed_levels), close.repeat(closed_levels));
    attacked.over(closed, bound, limit, closed_levels + around).await;
    let never_closed = format!("{before}{}", open.repeat(levels));
    attacked.over(never_closed, bound, limit, levels + around).await;
}

#[tokio::test]
async fn an_unterminated_block_string_hides_no_brackets() {
    let attacked = Attacked::start().await;
    let hidden = format!("{{customers(filter:[\"\"\"planted\" {}1{}])}}", "[".repeat(2_000), "]".repeat(2_000));
    refused(&attacked.document(hidden, json!({})).await, 400, "GRAPHQL_PARSE_FAILED");
}

/// Tokens that need no separator.
#[rstest]
#[case::spreads("{__typename a", "...F", "} fragment F on Query{__typename}", "max_tokens")]
#[case::zeroes("{nowhere(b:[", "0", "])}", "max_tokens")]
#[case::numbers("{nowhere(b:[", "-1", "])}", "max_tokens")]
#[case::one_long_name("{nowhere(b:[", "true", "])}", "max_name_bytes")]
#[case::byte_order_marks("{a", "\u{feff}a", "}", "max_tokens")]
#[tokio::test]
async fn tokens_without_a_space_between_them_are_counted(
    #[case] before: &str,
    #[case] token: &str,
    #[case] after: &str,
    #[case] bound: &str,
) {
    let attacked = Attacked::start().await;
    let got = attacked.document(format!("{before}{}{after}", token.repeat(180_000)), json!({})).await;
    let error = refused(&got, 400, "OPERATION_TOO_LARGE");
    assert!(error["message"].as_str().unwrap().contains(&format!("`{bound}`")), "{error}");
}

#[rstest]
#[case::two_hundred_levels(200, 2, "Query", "__typename", "max_depth", 24, "25".to_owned())]
#[case::four_million_fields(22, 2, "Query", "__typename", "max_root_fields", 100, 2_usize.pow(22).to_string())]
#[case::ten_of_ten(9, 10, "Query", "__typename", "max_root_fields", 100, 10_usize.pow(9).to_string())]
#[case::more_than_can_be_counted(22, 12, "Query", "__typename", "max_root_fields", 100, usize::MAX.to_string())]
#[tokio::test]
async fn fragments_that_multiply_are_refused_by_what_they_would_become(
    #[case] levels: usize,
    #[case] spreads: usize,
    #[case] on: &str,
    #[case] end: &str,
    #[case] bound: &str,
    #[case] limit: usize,
    #[case] value: String,
) {
    let attacked = Attacked::start().await;
    let bomb = fragments(levels, spreads, on, end);
    attacked.over(format!("{{...F0}}{bomb}"), bound, limit, value).await;
}

#[rstest]
#[case::of_one_field("id", 2_usize.pow(20) + 1)]
#[case::of_conditions("id@skip(if:true)", 2_usize.pow(20) + 1)]
#[tokio::test]
async fn multiplying_fragments_below_the_root_are_rejected(#[case] end: &str, #[case] _fields: usize) {
    let attacked = Attacked::start().await;
    let bomb = format!("{{customer(id:\"planted\"){{...F0}}}}{}", fragments(20, 2, "Customer", end));
    let got = attacked.document(bomb, json!({})).await;
    let error = refused(&got, 400, "OPERATION_TOO_LARGE");
    assert!(error["message"].as_str().unwrap().contains("1048"), "{error}");
}

/// The last fragment spreads an unknown one. The document contains no field, and its expansion still grows.
#[tokio::test]
async fn fragments_that_multiply_nothing_are_refused() {
    let attacked = Attacked::start().await;
    let bomb = format!("{{...F0}}{}", fragments(20, 10, "Query", "...Nowhere"));
    let got = attacked.document(bomb, json!({})).await;
    refused(&got, 400, "OPERATION_TOO_LARGE");
}

#[tokio::test]
async fn fragments_that_multiply_and_are_never_spread_are_refused() {
    let attacked = Attacked::start().await;
    let got = attacked.document(format!("{{__typename}}{}", fragments(22, 12, "Query", "__typename")), json!({})).await;
    assert_eq!(got.status, 400, "{}", got.text);
}

#[tokio::test]
async fn a_long_chain_of_fragments_that_nobody_spreads_is_refused() {
    let attacked = Attacked::start().await;
    let chain = |levels| format!("{{__typename}}{}", fragments(levels, 1, "Query", "__typename"));
    // `{ __typename }` is three tokens, a fragment that spreads another one eight, and the last one seven.
    attacked.over(chain(5_000), "max_tokens", 10_000, 3 + 5_000 * 8 + 7).await;
    let got = attacked.document(chain(1_200), json!({})).await;
    let error = refused(&got, 400, "OPERATION_TOO_LARGE");
    assert!(error["message"].as_str().unwrap().contains("`max_depth`"), "{error}");
}

#[rstest]
#[case::itself("{...A}fragment A on Query{...A}")]
#[case::in_two_steps("{...A}fragment A on Query{...B}fragment B on Query{__typename ...A}")]
#[case::below_a_field("{customer(id:\"planted\"){...A}}fragment A on Customer{review{customer{...A}}}")]
#[case::in_an_inline_fragment("{...A}fragment A on Query{...on Query{...A}}")]
#[case::where_nobody_spreads_it("{__typename}fragment A on Query{...A}")]
#[tokio::test]
async fn cyclic_fragments_are_rejected(#[case] circle: &str) {
    let attacked = Attacked::start().await;
    let got = attacked.document(circle, json!({})).await;
    let error = refused(&got, 400, "GRAPHQL_VALIDATION_FAILED");
    assert!(error["message"].as_str().unwrap().contains("contains itself"), "{error}");
}

#[tokio::test]
async fn each_bound_on_size_is_kept() {
    let attacked = Attacked::start().await;
    attacked.over(format!("{{{}}}", "__typename ".repeat(5_000)), "max_root_fields", 100, 5_000).await;
    attacked.over(format!("{{{}}}", "__typename ".repeat(101)), "max_root_fields", 100, 101).await;
    let aliases = items(201, |i| format!("planted{i}:subject"));
    attacked.over(format!("{{viewer{{{aliases}}}}}"), "max_aliases", 200, 201).await;
    attacked.over(format!("{{viewer{{{}}}}}", "subject ".repeat(5_000)), "max_fields", 5_000, 5_001).await;
    let directives = "@include(if:true)".repeat(101);
    attacked.over(format!("{{viewer{{subject{directives}}}}}"), "max_directives", 100, 101).await;
    attacked.over(format!("query{}{{__typename}}", "@planted".repeat(101)), "max_directives", 100, 101).await;
    attacked.over("a ".repeat(10_001), "max_tokens", 10_000, 10_001).await;
    attacked.over(format!("{{{}__typename{}}}", "...{".repeat(24), "}".repeat(24)), "max_depth", 24, 25).await;
    // Documents exactly at the limits are served.
    let most = format!("{{{}}}", items(100, |i| format!("a{i}:__typename@include(if:true)")));
    assert_eq!(attacked.gateway.data(&most).await["a99"], "Query");
    let deepest = format!("{{{}__typename{}}}", "...{".repeat(23), "}".repeat(23));
    assert_eq!(attacked.gateway.data(&deepest).await["__typename"], "Query");
}

#[rstest]
#[case::of_a_field("{#}")]
#[case::of_an_alias("{#:__typename}")]
#[case::of_an_argument("{viewer(#:1){subject}}")]
#[case::of_a_variable("query($#:Int){__typename}")]
#[case::of_a_type("query($a:#){__typename}")]
#[case::of_a_directive("{__typename @#}")]
#[case::of_a_fragment("{...#}fragment # on Query{__typename}")]
#[case::of_an_operation("query #{__typename}")]
#[case::of_a_word("{customers(sort:{field:#}){totalCount}}")]
#[tokio::test]
async fn names_are_bounded(#[case] document: &str) {
    let attacked = Attacked::start().await;
    for length in [129, 100_000] {
        attacked.over(document.replace('#', &"a".repeat(length)), "max_name_bytes", 128, length).await;
    }
    // At the limit such a name is only unknown, or valid.
    let got = attacked.document(document.replace('#', &"a".repeat(128)), json!({})).await;
    assert!(!codes(&got.json()).contains(&"OPERATION_TOO_LARGE"), "{}", got.text);
}

#[tokio::test]
async fn the_nearest_name_is_suggested_with_its_place() {
    let attacked = Attacked::start().await;
    let message = async |document: String| {
        let got = attacked.document(document, json!({})).await;
        got.json()["errors"][0]["message"].as_str().unwrap().to_owned()
    };
    assert!(message("{viewer{subjekt}}".into()).await.contains("Did you mean"));
    let told = "Type `Viewer` does not have a field `subjekt`. Did you mean `subject`?";
    assert_eq!(message("{viewer{subjekt}}".into()).await, told);
    let nothing_near = "Type `Viewer` does not have a field `qqqqqqqqqq`.";
    assert_eq!(message("{viewer{qqqqqqqqqq}}".into()).await, nothing_near);
}

#[tokio::test]
async fn introspection_that_multiplies_is_refused() {
    let attacked = Attacked::start().await;
    let nested = format!("{{__schema{{types{{{}name{}}}}}}}", "fields{type{".repeat(5), "}}".repeat(5));
    attacked.over(nested, "max_introspection_depth", 4, 6).await;
}

#[tokio::test]
async fn unknown_field_errors_are_limited() {
    let attacked = Attacked::start().await;
    attacked.over(format!("{{viewer{{{}}}}}", "nowhere ".repeat(20_000)), "max_tokens", 10_000, 20_005).await;
    let got = attacked.document(format!("{{viewer{{{}}}}}", items(4_900, |i| format!("x{i}"))), json!({})).await;
    let answer = got.json();
    assert_eq!((got.status, answer.get("data")), (400, None));
    assert_eq!(codes(&answer), ["GRAPHQL_VALIDATION_FAILED"; 20]);
    assert_eq!(answer["extensions"]["errorsLeftOut"], 4_880);
}

/// Small documents for which a single validation rule would report millions of errors, or would walk everything again
/// and again.
#[rstest]
#[case::one_field_with_many_arguments_against_many_without(conflicts(""))]
#[case::the_same_in_inline_fragments(conflicts("...{"))]
#[case::many_operations_without_their_variables(undefined_variables())]
#[case::many_operations_of_one_large_fragment(operations_of_one_fragment())]
#[case::many_selections_of_one_large_fragment(selections_of_one_fragment())]
#[case::long_names_that_are_close_to_nothing(long_names())]
#[case::many_arguments_that_are_not_there(format!("{{viewer({}){{subject}}}}", items(3_000, |i| format!("x{i}:1"))))]
#[case::many_variables_that_nobody_uses(format!("query({}){{__typename}}", items(2_000, |i| format!("$x{i}:Int"))))]
#[tokio::test]
async fn documents_with_expensive_validation_are_rejected_quickly(#[case] document: String) {
    assert!(document.len() < 1_000_000);
    let attacked = Attacked::start().await;
    let got = attacked.document(document, json!({})).await;
    assert_eq!(got.status, 400, "{}", got.text);
    let answer = got.json();
    assert!(codes(&answer).iter().all(|code| matches!(*code, "GRAPHQL_VALIDATION_FAILED" | "OPERATION_TOO_LARGE")));
}

/// One field with 1,600 arguments, and thousands of times without them: each pair of the two is a conflict.
fn conflicts(around: &str) -> String {
    let levels = if around.is_empty() { 0 } else { 20 };
    let arguments = items(1_600, |i| format!("x{i}:1"));
    let (open, close) = (around.repeat(levels), "}".repeat(levels));
    format!("{{viewer{{{open}subject({arguments}) {}{close}}}}}", "subject ".repeat(4_800))
}

fn undefined_variables() -> String {
    let operations = items(800, |i| format!("query A{i}{{...F}}"));
    let arguments = items(1_250, |i| format!("x{i}:$v{i}"));
    format!("{operations} fragment F on Query{{viewer({arguments}){{subject}}}}")
}

fn operations_of_one_fragment() -> String {
    let operations = items(800, |i| format!("query A{i}{{...F}}"));
    format!("{operations} fragment F on Query{{viewer{{{}}}}}", "subject ".repeat(4_900))
}

fn selections_of_one_fragment() -> String {
    let selections = items(1_000, |i| format!("a{i}:viewer{{...F}}"));
    format!(
        "{{__typename}}fragment G on Query{{{selections}}}fragment F on Viewer{{{}}}",
        items(3_900, |i| format!("b{i}"))
    )
}

fn long_names() -> String {
    format!("{{viewer{{{}}}}}", items(9, |i| format!("{}{i}", "x".repeat(100_000))))
}

#[rstest]
#[case::a_string("{ customers(after: \"#\") { totalCount } }", "planted", 120_000)]
#[case::a_string_of_escapes("{ customers(after: \"#\") { totalCount } }", "\\u0070lanted", 60_000)]
#[case::a_block_string("{ customers(after: \"\"\"#\"\"\") { totalCount } }", "((((\n", 150_000)]
#[case::a_number("{ customers(first: #) { totalCount } }", "9", 900_000)]
#[case::a_fraction("{ customers(first: 0.#) { totalCount } }", "9", 900_000)]
#[case::an_exponent("{ customers(first: 1e#) { totalCount } }", "9", 900_000)]
#[case::an_alias("{ viewer { #: nowhere } }", "a", 10_000)]
#[case::an_enum("{ customers(sort: {field: PLANTED#}) { totalCount } }", "A", 900_000)]
#[case::a_comment("# #\n{ nowhere }", "planted ", 110_000)]
#[case::commas("{ nowhere # }", ",", 900_000)]
#[tokio::test]
async fn long_input_is_rejected_and_not_echoed(#[case] document: &str, #[case] part: &str, #[case] times: usize) {
    let attacked = Attacked::start().await;
    // The last `#`, because a comment starts with one.
    let at = document.rfind('#').unwrap();
    let document = format!("{}{}{}", &document[..at], part.repeat(times), &document[at + 1..]);
    let got = attacked.document(document, json!({})).await;
    assert!(matches!(got.status, 200 | 400), "{}", got.text);
    assert!(!codes(&got.json()).is_empty() && !codes(&got.json()).contains(&"INTERNAL_SERVER_ERROR"), "{}", got.text);
}

#[rstest]
#[case::in_a_place_that_takes_none("{ viewer(planted: \"planted\") { subject } }", 400)]
#[case::of_another_type("{ customers(first: \"planted\") { totalCount } }", 400)]
#[case::in_an_enum("{ customers(sort: {field: \"planted\"}) { totalCount } }", 400)]
#[case::in_an_input("{ customers(filter: {statuses: \"planted\"}) { totalCount } }", 400)]
#[case::in_a_list("{ nodes(ids: [{a: \"planted\"}]) { id } }", 400)]
#[case::in_a_default("query ($a: Int = \"planted\") { customers(first: $a) { totalCount } }", 400)]
#[case::in_a_condition("{ viewer { subject @include(if: \"planted\") } }", 400)]
#[case::in_a_scalar("{ customers(filter: {createdFrom: \"planted\"}) { totalCount } }", 200)]
#[case::where_it_is_no_graphql("{ customer(id: \"planted\" \"planted\") { id } }", 400)]
#[case::not_closed("{ customer(id: \"planted", 400)]
#[case::as_a_cursor("{ customers(after: \"planted\") { totalCount } }", 200)]
#[tokio::test]
async fn input_values_are_not_echoed_in_errors(#[case] document: &str, #[case] status: u16) {
    let attacked = Attacked::start().await;
    let got = send_quietly(&attacked, document).await;
    assert_eq!(got.0, status, "{}", got.1);
    let told = got.1.to_string().replace("\\\"planted\\\"", "the argument's name");
    // The message may contain the argument's name, but not its value.
    let named = document.contains("(planted");
    assert!(named || !told.contains(PLANTED), "{told}");
    assert!(told.len() < MOST_TOLD && !codes(&got.1).is_empty());
}

async fn send_quietly(attacked: &Attacked, document: &str) -> (u16, Value) {
    let request = attacked.gateway.post(&json!({"query": document}));
    let got = request.header("accept", "application/graphql-response+json").send().await.unwrap();
    (got.status().as_u16(), got.json().await.unwrap())
}
