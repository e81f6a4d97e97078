//! The baseline of `tests/load/instructions`: `POST /graphql` reads the body and sends the same bytes each time. The
//! runtime and the allocator are the gateway's; the response is as long as that of Q1. It prints its address.

use std::io;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RESPONSE_BYTES: usize = 1200;

fn main() -> io::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve())
}

async fn serve() -> io::Result<()> {
    let response = Bytes::from(format!("{{\"data\":\"{}\"}}", "x".repeat(RESPONSE_BYTES - 11)));
    let routes = Router::new().route("/graphql", post(respond)).with_state(response);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, routes).await
}

async fn respond(State(response): State<Bytes>, _body: Bytes) -> ([(HeaderName, &'static str); 1], Bytes) {
    ([(CONTENT_TYPE, "application/json")], response)
}
