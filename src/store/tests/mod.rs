//! The store under test, on both engines.
