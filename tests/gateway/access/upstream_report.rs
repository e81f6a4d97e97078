//! Which callers get the report of upstream calls. It reveals whether another caller has read a customer recently.

use customers_sandbox::seed::ADA;
use rstest::rstest;
use serde_json::{Value, json};

use super::provider::{Provider, Signer};
use super::{claims, gateway};

#[rstest]
#[case::on("on", &["CUSTOMERS_READ"], true)]
#[case::off("off", &["CUSTOMERS_READ"], false)]
#[case::off_for_all_but_whom_a_word_opens_it("off", &["CUSTOMERS_READ", "upstream:report"], true)]
#[tokio::test]
async fn the_upstream_report_needs_a_setting_or_a_token_permission(
    #[case] setting: &str,
    #[case] permissions: &[&str],
    #[case] told: bool,
) {
    let rsa = Signer::rsa();
    let provider = Provider::start(&[&rsa]).await;
    let more = format!("[graphql]\nupstream_report = '{setting}'");
    let gateway = gateway(&format!("algorithms = 'RS256'\njwks_url = '{}'\n{more}", provider.url)).await;
    let token = rsa.token(&claims(json!({"permissions": permissions})));
    let body = json!({"query": format!("{{ customer(id: \"{ADA}\") {{ name }} viewer {{ permissions }} }}")});
    let request = gateway.client.post(&gateway.graphql).json(&body).bearer_auth(token);
    let response = request.header("gateway-report-upstream", "1").send().await.unwrap();
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["data"]["customer"]["name"], "Ada Example", "{answer}");
    assert_eq!(answer["data"]["viewer"]["permissions"], json!(["CUSTOMERS_READ"]));
    assert_eq!(answer["extensions"]["upstream"]["planned"].is_u64(), told, "{answer}");
}
