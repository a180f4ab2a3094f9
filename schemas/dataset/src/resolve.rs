//! From a place as written in a spec to the objects in a store.

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use runtime::objects::Place;

use crate::error::OpenError;
use crate::files::REQUESTS_MAX;
use crate::glob;

/// The objects of one place, in path order; never none.
///
/// # Errors
/// [`OpenError`] when nothing is there, or the store cannot be asked.
pub(crate) async fn objects(place: &Place) -> Result<Vec<ObjectMeta>, OpenError> {
    let segments = normalise(&place.path);
    let lookup = Lookup { place, named: format!("{}{}", place.root, segments.join("/")) };
    let mut found = match segments.iter().position(|segment| glob::is_pattern(segment)) {
        Some(first) => lookup.expand(&segments, first).await?,
        None => lookup.file_or_folder(&segments).await?,
    };
    found.sort_by(|a, b| a.location.cmp(&b.location));
    lookup.tagged(found).await
}

/// Segments without `.`, `..` and empty ones.
fn normalise(path: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    segments
}

/// Whether one of the names says that it is not data: `.crc`, `_SUCCESS`, `_temporary`.
fn is_hidden(names: &[&str]) -> bool {
    names.iter().any(|name| name.starts_with(['.', '_']))
}

struct Lookup<'a> {
    place: &'a Place,
    named: String,
}

impl Lookup<'_> {
    fn path(&self, segments: &[&str]) -> Result<Path, OpenError> {
        let parsed = Path::parse(segments.join("/"));
        parsed.map_err(|source| OpenError::Path { place: self.named.clone(), source })
    }

    fn failed(&self, source: object_store::Error) -> OpenError {
        OpenError::Lookup { place: self.named.clone(), source }
    }

    async fn file_or_folder(&self, segments: &[&str]) -> Result<Vec<ObjectMeta>, OpenError> {
        let path = self.path(segments)?;
        let may_be_file = !segments.is_empty() && !self.place.path.ends_with('/');
        // The likelier of the two is asked for first: some stores answer a question for a folder with an error.
        let looks_like_file = may_be_file && segments.last().is_some_and(|name| name.contains('.'));
        if looks_like_file && let Some(meta) = self.file(&path).await? {
            return Ok(vec![meta]);
        }
        let found = self.below(&path, |names| !is_hidden(names)).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        let file = if may_be_file && !looks_like_file { self.file(&path).await? } else { None };
        file.map(|meta| vec![meta]).ok_or_else(|| OpenError::Missing { place: self.named.clone() })
    }

    async fn file(&self, path: &Path) -> Result<Option<ObjectMeta>, OpenError> {
        match self.place.store.head(path).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The objects with their tags: some stores leave them out of listings.
    async fn tagged(&self, found: Vec<ObjectMeta>) -> Result<Vec<ObjectMeta>, OpenError> {
        let one = |meta: ObjectMeta| async move {
            match meta.e_tag {
                Some(_) => Ok(meta),
                None => self.place.store.head(&meta.location).await.map_err(|error| self.failed(error)),
            }
        };
        futures::stream::iter(found).map(one).buffered(REQUESTS_MAX).try_collect().await
    }

    /// The objects in and under a folder whose names from there on are taken.
    async fn below(
        &self,
        folder: &Path,
        take: impl Fn(&[&str]) -> bool,
    ) -> Result<Vec<ObjectMeta>, OpenError> {
        let all: Vec<ObjectMeta> = match self.place.store.list(Some(folder)).try_collect().await {
            Ok(all) => all,
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(self.failed(error)),
        };
        let names_of = |meta: &ObjectMeta| {
            let rest = meta.location.as_ref().strip_prefix(folder.as_ref()).unwrap_or("");
            take(&rest.trim_start_matches('/').split('/').collect::<Vec<_>>())
        };
        Ok(all.into_iter().filter(names_of).collect())
    }

    /// Follows a glob folder by folder, so that only matching ones are listed; `first` is its first wildcard.
    async fn expand(&self, segments: &[&str], first: usize) -> Result<Vec<ObjectMeta>, OpenError> {
        let mut folders = vec![self.path(&segments[..first])?];
        let mut found = Vec::new();
        for (at, segment) in segments.iter().enumerate().skip(first) {
            let rest = &segments[at..];
            if *segment == "**" {
                for folder in &folders {
                    let take = |names: &[&str]| !is_hidden(names) && glob::matches_path(rest, names);
                    found.extend(self.below(folder, take).await?);
                }
                break;
            }
            let mut inner = Vec::new();
            for folder in &folders {
                let listed = match self.place.store.list_with_delimiter(Some(folder)).await {
                    Ok(listed) => listed,
                    Err(object_store::Error::NotFound { .. }) => continue,
                    Err(error) => return Err(self.failed(error)),
                };
                let matching = |path: &Path| {
                    let name = path.filename().unwrap_or("");
                    !is_hidden(&[name]) && glob::matches(segment, name)
                };
                match rest.len() {
                    1 => found.extend(listed.objects.into_iter().filter(|meta| matching(&meta.location))),
                    _ => inner.extend(listed.common_prefixes.into_iter().filter(matching)),
                }
            }
            folders = inner;
        }
        match found.is_empty() {
            true => Err(OpenError::NoMatch { place: self.named.clone() }),
            false => Ok(found),
        }
    }
}
