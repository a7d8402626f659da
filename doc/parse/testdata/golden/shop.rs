use std::fmt;

/// A tea.
#[derive(Debug)]
pub struct Tea { name: String }

impl fmt::Display for Tea {
    fn fmt(&self) -> fmt::Result {
        Ok(())
    }
}

fn main() {}
