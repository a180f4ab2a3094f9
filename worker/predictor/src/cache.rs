//! Loaded fits within a memory budget: the fits of a blob come and go together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::HashMap;
use bytes::Bytes;
use runtime::allocator;
use runtime::store::{Blobs, StoreError};
use schemas::blob::{Blob, BlobError};
use schemas::encoding::Missing;
use schemas::fit::{Fit, FitRef, Input, Parameters};
use schemas::label::Label;
use tokio::sync::OnceCell;

use crate::loaders::Loaders;

/// What predicting needs of a fit.
#[derive(Debug, PartialEq)]
pub struct Served {
    /// How raw columns become the design matrix; the same list for all fits that were loaded with it.
    pub inputs: Arc<Vec<Input>>,
    /// Whether it predicts rows without a value in some input.
    pub missing: Missing,
    /// What a classifier tells apart.
    pub classes: Vec<Label>,
    /// What the algorithm found.
    pub parameters: Parameters,
}

impl Served {
    /// Bytes in memory, shared inputs not counted.
    fn size_bytes(&self) -> usize {
        let classes = self.classes.len() * size_of::<Label>();
        // Beside it stands its entry in the list of its blob.
        size_of::<Served>() + 4 * size_of::<usize>() + classes + self.parameters.size_bytes()
    }
}

/// Fits by blob, the least recently used go first.
#[derive(Debug)]
pub struct FitCache {
    blobs: Blobs,
    budget_bytes: usize,
    state: Mutex<State>,
    loaders: Loaders,
}

type Loaded = Arc<Vec<Result<Arc<Served>, BlobError>>>;

/// What reading a blob of this size leaves behind is given back to the system at once.
const LARGE_BYTES: usize = 1 << 20;

/// Blobs that a reader holds, whatever the cache lets go meanwhile.
const HELD_MAX: usize = 8;

/// Fits as one request reads them. It asks the cache once for a blob and not for each fit in it: all requests ask there, one
/// at a time.
#[derive(Debug)]
pub struct Reader<'c> {
    cache: &'c FitCache,
    held: Vec<(String, Loaded)>,
    /// Which one goes next when there are too many.
    next: usize,
}

impl Reader<'_> {
    /// [`FitCache::get`].
    ///
    /// # Errors
    /// As [`FitCache::get`].
    pub async fn get(&mut self, place: &FitRef) -> Result<&Served, StoreError> {
        let held = match self.held.iter().position(|(blob, _)| *blob == place.blob) {
            Some(held) => held,
            None => self.hold(&place.blob).await?,
        };
        self.cache.fit_of(&self.held[held].1, place).map(|fit| &**fit)
    }

    /// Holds one more; says where.
    async fn hold(&mut self, blob: &str) -> Result<usize, StoreError> {
        let one = (blob.to_owned(), self.cache.fits_of(blob).await?);
        if self.held.len() < HELD_MAX {
            self.held.push(one);
            return Ok(self.held.len() - 1);
        }
        let place = self.next;
        self.next = (place + 1) % HELD_MAX;
        self.held[place] = one;
        Ok(place)
    }
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<String, Entry>,
    /// Of all entries.
    size_bytes: usize,
    uses: u64,
    /// Inputs of the fit that was loaded last: those of a model's fits are mostly the same.
    inputs: Arc<Vec<Input>>,
}

#[derive(Debug)]
struct Entry {
    cell: Arc<OnceCell<Loaded>>,
    size_bytes: usize,
    used: u64,
}

impl FitCache {
    /// A cache of the fits in `blobs` that keeps about `budget_bytes`.
    pub fn new(blobs: Blobs, budget_bytes: usize) -> FitCache {
        FitCache { blobs, budget_bytes, state: Mutex::default(), loaders: Loaders::start() }
    }

    /// The fit at `place`, verified. Callers that want the same blob at the same time read it once.
    ///
    /// # Errors
    /// [`StoreError`] when the blob cannot be had or is damaged; the next call tries again.
    pub async fn get(&self, place: &FitRef) -> Result<Arc<Served>, StoreError> {
        let fits = self.fits_of(&place.blob).await?;
        self.fit_of(&fits, place).cloned()
    }

    /// A reader for one request.
    pub fn reader(&self) -> Reader<'_> {
        Reader { cache: self, held: Vec::new(), next: 0 }
    }

    async fn fits_of(&self, blob: &str) -> Result<Loaded, StoreError> {
        let entered = self.lock().enter(blob);
        match entered {
            Ok(loaded) => Ok(loaded),
            Err(cell) => cell.get_or_try_init(|| self.load(blob)).await.cloned(),
        }
    }

    fn fit_of<'l>(&self, fits: &'l Loaded, place: &FitRef) -> Result<&'l Arc<Served>, StoreError> {
        let source = match fits.get(place.index as usize) {
            Some(Ok(fit)) => return Ok(fit),
            Some(Err(error)) => error.clone(),
            None => BlobError::NoFit { blob: place.blob.clone(), count: fits.len(), index: place.index },
        };
        Err(StoreError::Damaged { address: self.blobs.address().to_owned(), source })
    }

    /// Whether the fits of a blob are in memory.
    pub fn has(&self, blob: &str) -> bool {
        self.lock().entries.get(blob).is_some_and(|entry| entry.cell.initialized())
    }

    async fn load(&self, name: &str) -> Result<Loaded, StoreError> {
        let blob = self.blobs.get(name).await?;
        let inputs = self.lock().inputs.clone();
        let (fits, inputs, size_bytes) = self.loaders.run(name, move || read(blob, inputs)).await;
        let mut state = self.lock();
        state.inputs = inputs;
        state.weigh(name, size_bytes);
        let evicted = state.evict(name, self.budget_bytes);
        drop(state);
        self.loaders.free(evicted);
        Ok(fits)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The fits of a blob, which has been used now; the cell for them while they are not there.
    fn enter(&mut self, name: &str) -> Result<Loaded, Arc<OnceCell<Loaded>>> {
        self.uses += 1;
        if let Some(entry) = self.entries.get_mut(name) {
            entry.used = self.uses;
            return entry.cell.get().cloned().ok_or_else(|| entry.cell.clone());
        }
        let entry = Entry { cell: Arc::default(), size_bytes: 0, used: self.uses };
        Err(self.entries.entry(name.to_owned()).or_insert(entry).cell.clone())
    }

    /// Notes the size of a loaded blob. One that went while it was loaded is its callers' alone.
    fn weigh(&mut self, name: &str, size_bytes: usize) {
        if let Some(entry) = self.entries.get_mut(name) {
            self.size_bytes = self.size_bytes - entry.size_bytes + size_bytes;
            entry.size_bytes = size_bytes;
        }
    }

    /// Lets the least recently used go, all but `newest`, where there is more than the budget. An eighth goes at once: to look
    /// for the oldest at each load would take longer than loading.
    fn evict(&mut self, newest: &str, budget_bytes: usize) -> Vec<(String, Entry)> {
        let mut evicted = Vec::new();
        if self.size_bytes <= budget_bytes {
            return evicted;
        }
        let others = self.entries.iter().filter(|(name, entry)| *name != newest && entry.cell.initialized());
        let mut by_use: Vec<(u64, String)> = others.map(|(name, entry)| (entry.used, name.clone())).collect();
        by_use.sort_unstable();
        for (_, name) in by_use {
            if self.size_bytes <= budget_bytes - budget_bytes / 8 {
                break;
            }
            if let Some(entry) = self.entries.remove(&name) {
                self.size_bytes -= entry.size_bytes;
                evicted.push((name, entry));
            }
        }
        evicted
    }
}

/// [`all_of`] a blob that nobody else needs.
fn read(blob: Blob<Bytes>, inputs: Arc<Vec<Input>>) -> (Loaded, Arc<Vec<Input>>, usize) {
    let is_large = blob.size_bytes() >= LARGE_BYTES;
    let fits = all_of(&blob, inputs);
    drop(blob);
    if is_large {
        allocator::give_back();
    }
    fits
}

/// The fits of a blob, the inputs of the last one, and the fits' size.
fn all_of(blob: &Blob<Bytes>, mut inputs: Arc<Vec<Input>>) -> (Loaded, Arc<Vec<Input>>, usize) {
    let mut size_bytes = 0;
    let mut fits = Vec::with_capacity(blob.len());
    for index in 0..blob.len() as u32 {
        let served = blob.fit(index).map(|fit| Arc::new(served(fit, &mut inputs)));
        size_bytes += served.as_ref().map_or(0, |served| served.size_bytes());
        fits.push(served);
    }
    (Arc::new(fits), inputs, size_bytes)
}

/// A fit as it is served; `inputs` are shared with the one before where they are the same.
fn served(fit: Fit, inputs: &mut Arc<Vec<Input>>) -> Served {
    if fit.inputs != **inputs {
        *inputs = Arc::new(fit.inputs);
    }
    let Fit { missing, classes, parameters, .. } = fit;
    Served { inputs: inputs.clone(), missing, classes, parameters }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use runtime::store::{MemoryStore, ModelStore};
    use schemas::algorithm::Algorithm;
    use schemas::fit::Counts;
    use schemas::scope::Scope;
    use schemas::window::Window;

    fn fit(intercept: f64) -> Fit {
        Fit {
            scope: Scope::all(),
            window: Window::ALL,
            fingerprint: "f".into(),
            target: "y".into(),
            classes: Vec::new(),
            inputs: Vec::new(),
            algorithm: Algorithm::Mean,
            params: Default::default(),
            parameters: Parameters::Linear { intercept, coefficients: Vec::new() },
            counts: Counts::default(),
            metrics: None,
            continues: None,
            sums: None,
            missing: schemas::encoding::Missing::Drop,
        }
    }

    fn place(blob: &str) -> FitRef {
        FitRef { fingerprint: "f".into(), blob: blob.into(), index: 0, trained_at_ms: 0 }
    }

    /// A store with so many packs of three fits each, and their names.
    async fn packs(count: usize) -> (Arc<MemoryStore>, Vec<String>) {
        let store = Arc::new(MemoryStore::default());
        let blobs = Blobs::new(store.clone());
        let mut names = Vec::new();
        for pack in 0..count {
            let fits = [0.0, 1.0, 2.0].map(|index| fit(10.0 * pack as f64 + index));
            names.push(blobs.put(&fits, "").await.unwrap());
        }
        (store, names)
    }

    #[tokio::test]
    async fn what_was_asked_for_lately_outlives_what_was_loaded_later() {
        let (store, names) = packs(3).await;
        let roomy = FitCache::new(Blobs::new(store.clone()), usize::MAX);
        roomy.get(&place(&names[0])).await.unwrap();
        let each_bytes = roomy.lock().size_bytes;
        let cache = FitCache::new(Blobs::new(store), each_bytes * 5 / 2);
        for pack in [0, 1, 0, 2] {
            cache.get(&place(&names[pack])).await.unwrap();
        }
        assert_eq!([0, 1, 2].map(|pack| cache.has(&names[pack])), [true, false, true]);
    }

    #[tokio::test]
    async fn many_who_want_the_same_at_once_read_it_once() {
        let (store, names) = packs(2).await;
        let cache = FitCache::new(Blobs::new(store.clone()), usize::MAX);
        // In turn, as the store's last blob is at hand anyway.
        let (cache, names) = (&cache, &names);
        let asked = (0..100).map(|number| async move { cache.get(&place(&names[number % 2])).await });
        let fits = join_all(asked).await;
        assert_eq!(store.reads(), 2);
        for (number, fit) in fits.into_iter().enumerate() {
            assert_eq!(*fit.unwrap(), served(self::fit(10.0 * (number % 2) as f64), &mut Arc::default()));
        }
    }

    #[tokio::test]
    async fn a_pack_is_read_once_for_all_its_fits() {
        let (store, names) = packs(2).await;
        let cache = FitCache::new(Blobs::new(store.clone()), usize::MAX);
        for (index, pack) in (0..3).flat_map(|index| [(index, 0), (index, 1)]) {
            let found = cache.get(&FitRef { index, ..place(&names[pack]) }).await.unwrap();
            let expected = fit(10.0 * pack as f64 + f64::from(index));
            assert_eq!(*found, served(expected, &mut Arc::default()));
        }
        assert_eq!(store.reads(), 2);
    }

    #[tokio::test]
    async fn a_reader_gives_what_the_cache_does_and_asks_once_for_a_blob() {
        let (store, names) = packs(2 * HELD_MAX).await;
        let cache = FitCache::new(Blobs::new(store), usize::MAX);
        let mut reader = cache.reader();
        let rounds = [0..HELD_MAX, 0..HELD_MAX, HELD_MAX..names.len(), 0..HELD_MAX];
        for pack in rounds.into_iter().flatten() {
            let place = place(&names[pack]);
            let found = reader.get(&place).await.unwrap() as *const Served;
            assert_eq!(found, Arc::as_ptr(&cache.get(&place).await.unwrap()));
        }
        // Each call of `get`, and each blob of the reader's when it came, and the first ones when they came again.
        assert_eq!(cache.lock().uses as usize, 4 * HELD_MAX + 3 * HELD_MAX);
        assert!(reader.get(&FitRef { index: 9, ..place(&names[0]) }).await.is_err());
    }

    #[tokio::test]
    async fn fits_stay_while_the_budget_allows_and_come_back_when_asked() {
        let store = Arc::new(MemoryStore::default());
        let blobs = Blobs::new(store.clone());
        let names = [blobs.put(&[fit(1.0)], "").await.unwrap(), blobs.put(&[fit(2.0)], "").await.unwrap()];
        let cache = FitCache::new(blobs, 1);
        for (name, intercept) in names.iter().zip([1.0, 2.0]).cycle().take(4) {
            assert_eq!(*cache.get(&place(name)).await.unwrap(), served(fit(intercept), &mut Arc::default()));
            assert_eq!(cache.lock().entries.len(), 1);
        }
    }

    #[tokio::test]
    async fn a_damaged_blob_is_named_and_a_mended_one_is_read_again() {
        let store = Arc::new(MemoryStore::default());
        let name = Blobs::new(store.clone()).put(&[fit(1.0)], "").await.unwrap();
        let whole = store.get(&name).await.unwrap().unwrap();
        let mut torn = whole.to_vec();
        torn.truncate(20);
        store.put(&name, torn.into()).await.unwrap();
        let cache = FitCache::new(Blobs::new(store.clone()), 1 << 20);
        let error = cache.get(&place(&name)).await.unwrap_err();
        assert!(format!("{:#}", anyhow::Error::from(error)).contains(&name));
        store.put(&name, whole).await.unwrap();
        assert_eq!(*cache.get(&place(&name)).await.unwrap(), served(fit(1.0), &mut Arc::default()));
        assert!(cache.get(&FitRef { index: 9, ..place(&name) }).await.is_err());
    }
}
