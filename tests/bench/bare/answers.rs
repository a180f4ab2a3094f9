//! The stored answers.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use bytes::Bytes;

/// Bytes by name.
#[derive(Debug, Clone)]
pub(crate) struct Answers(HashMap<String, Bytes>);

impl Answers {
    /// All files `NAME.json` of a folder.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Answers> {
        let mut found = HashMap::new();
        for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_stem().context("a file has a name")?.to_string_lossy();
            found.insert(name.into_owned(), Bytes::from(std::fs::read(&path)?));
        }
        Ok(Answers(found))
    }

    pub(crate) fn get(&self, name: &str) -> Option<Bytes> {
        self.0.get(name).cloned()
    }
}
