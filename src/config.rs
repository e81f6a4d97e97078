//! Settings: `config/default.toml`, then a file, then the environment. They are read once, checked as a whole, and handed
//! down as structs. Where a part of the gateway has limits of its own, the struct of that part is the section, or is
//! flattened into it. No other module reads files of settings or environment variables.

mod audit;
mod check;
mod documents;
mod error;
mod header;
mod http;
mod jwt;
mod load;
mod secret;
mod server;
mod settings;
mod sources;
mod telemetry;
mod upstream;

pub use self::http::Http;
pub use crate::setting::Switch;
pub use error::Error;
pub use load::Examined;
pub use server::Server;
pub use settings::Settings;
pub use sources::EffectiveSetting;

#[cfg(test)]
mod tests;
