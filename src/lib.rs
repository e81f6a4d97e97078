//! The Customers API in memory, over real HTTP.

pub mod sandbox;
