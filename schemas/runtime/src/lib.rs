//! How Scopeforge's words travel and rest.

pub mod objects;
