use std::path::Path;

use proptest::prelude::*;
use schemas::algorithm::Algorithm;
use schemas::bundle::{BundleError, BundledModel, HEADER_BYTES, Header};
use schemas::catalog::{Catalog, Landed};
use schemas::channel::{Channel, ChannelState, LIVE};
use schemas::encoding::Missing;
use schemas::fit::{Counts, Fit, FitRef, Parameters};
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use schemas::subjects::channel_key;
use schemas::window::Window;
use tempfile::TempDir;

use super::{Bundle, Error, Writer, open};

const SPEC: &str = "name = \"shops\"\n[data]\nsource = \"shops.csv\"\n[scope]\ndimensions = [\"shop\"]\n\
    [learn]\ntarget = \"sold\"\nfeatures = [\"x\"]\nalgorithm = \"linear\"\n";

fn spec() -> ModelSpec {
    ModelSpec::parse(SPEC).unwrap()
}

fn fit(shop: usize) -> Fit {
    Fit {
        scope: scope(shop),
        window: Window::ALL,
        fingerprint: format!("{shop:032x}"),
        target: "sold".into(),
        classes: Vec::new(),
        inputs: Vec::new(),
        algorithm: Algorithm::Mean,
        params: Default::default(),
        parameters: Parameters::Linear { intercept: shop as f64 / 3.0, coefficients: vec![0.1; shop % 5] },
        counts: Counts::default(),
        metrics: None,
        continues: None,
        sums: None,
        missing: Missing::Drop,
    }
}

fn scope(shop: usize) -> Scope {
    Scope::new([("shop", format!("shop{shop}").as_str())])
}

fn landed(shop: usize, blob: &str, index: usize) -> Landed {
    Landed {
        campaign: "c2".into(),
        window: Window::ALL,
        level: Some(0),
        fit: FitRef {
            fingerprint: format!("{shop:032x}"),
            blob: blob.into(),
            index: index as u32,
            trained_at_ms: 7,
        },
        metrics: None,
    }
}

fn channel() -> Channel {
    Channel { campaigns: vec!["c1".into(), "c2".into()], ..Channel::default() }
}

/// A bundle of so many shops, in blocks of so many.
fn write(file: &Path, shops: usize, in_block: usize) -> Result<u64, Error> {
    let mut writer = Writer::create(file, false)?;
    let mut catalog = Catalog::default();
    let all: Vec<usize> = (0..shops).collect();
    for block in all.chunks(in_block) {
        let blob = writer.add(&block.iter().map(|shop| fit(*shop)).collect::<Vec<_>>())?;
        for (index, shop) in block.iter().enumerate() {
            catalog.add("shops", scope(*shop), &landed(*shop, &blob, index));
        }
    }
    let model = |catalog| BundledModel { spec: spec(), channel: channel(), catalog };
    writer.finish("next", catalog.snapshots().into_iter().map(model).collect())
}

fn a_bundle(shops: usize, in_block: usize) -> (TempDir, Vec<u8>) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("fits.pack");
    let bytes = write(&file, shops, in_block).unwrap();
    let whole = std::fs::read(&file).unwrap();
    assert_eq!(whole.len() as u64, bytes);
    (folder, whole)
}

/// What becomes of a file with these bytes.
fn opened(folder: &TempDir, bytes: &[u8]) -> Result<(), Error> {
    let file = folder.path().join("changed.pack");
    std::fs::write(&file, bytes).unwrap();
    let bundle = Bundle::open(&file)?;
    bundle.verify(|_| ())?;
    bundle.hold().map(drop)
}

fn why(opened: Result<(), Error>) -> BundleError {
    match opened {
        Err(Error::Unusable { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_is_there_whole_or_not_at_all_and_is_not_replaced_unasked() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("fits.pack");
    let mut writer = Writer::create(&file, false).unwrap();
    writer.add(&[fit(1)]).unwrap();
    drop(writer);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    // A catalog that names what is not in the file.
    let mut catalog = Catalog::default();
    catalog.add("shops", scope(1), &landed(1, "elsewhere", 0));
    let models = catalog.snapshots().into_iter().map(|catalog| BundledModel {
        spec: spec(),
        channel: channel(),
        catalog,
    });
    let unsound = Writer::create(&file, false).unwrap().finish(LIVE, models.collect());
    assert!(matches!(why(unsound.map(drop)), BundleError::Unsound { .. }));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    write(&file, 3, 2).unwrap();
    assert!(matches!(write(&file, 3, 2), Err(Error::Exists { .. })));
    let missing = Bundle::open(&folder.path().join("absent")).unwrap_err();
    assert!(missing.is_usage(), "{missing:?}");
}

#[tokio::test]
async fn it_answers_for_its_channel_and_for_callers_that_name_none() {
    let (folder, _) = a_bundle(7, 3);
    let held = open(&folder.path().join("fits.pack")).await.unwrap();
    assert_eq!((held.fits, held.channel.as_str()), (7, "next"));
    assert_eq!(*held.models.get("shops").unwrap(), spec());
    for name in [LIVE, "next"] {
        let channel = held.channels.get(&channel_key("shops", name)).unwrap();
        assert_eq!(channel.state(), ChannelState { campaigns: 2, newest: "c2".into() });
        for shop in 0..7 {
            let found = held.fixed.catalog.with(|catalog| catalog.resolve("shops", &channel, &scope(shop)));
            let found = found.expect("a fit");
            assert_eq!((found.campaign.as_ref(), found.fit.trained_at_ms), ("c2", 7));
            assert_eq!(held.blobs.fit(&found.fit).await.unwrap(), fit(shop));
        }
    }
    assert!(held.models.is_ready() && held.channels.is_ready() && held.fixed.catalog.is_ready());
    assert!(held.blobs.delete("x").await.is_err() && held.blobs.check().await.is_ok());
}

/// A file of the first release, trained from forty rows of each shop.
#[tokio::test]
async fn files_of_version_one_are_read_for_ever() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bundle/version-1.pack");
    Bundle::open(&file).unwrap().verify(|_| ()).unwrap();
    let held = open(&file).await.unwrap();
    assert_eq!((held.fits, held.channel.as_str()), (4, LIVE));
    let channel = held.channels.get(&channel_key("shops", LIVE)).unwrap();
    for shop in 0..3 {
        let found =
            held.fixed.catalog.with(|catalog| catalog.resolve("shops", &channel, &scope(shop))).unwrap();
        let Parameters::Linear { intercept, coefficients } =
            held.blobs.fit(&found.fit).await.unwrap().parameters
        else {
            panic!("a line");
        };
        let sold = intercept + 2.0 * coefficients[0];
        assert!((sold - (12.0 * shop as f64 + 2.0)).abs() < 1e-9, "shop {shop}: {sold}");
    }
}

#[test]
fn sizes_that_a_file_tells_are_not_believed() {
    let (folder, whole) = a_bundle(3, 2);
    let header = Header::read(&whole, whole.len() as u64).unwrap();
    // A size that is not the true one, with checksums that fit.
    for size in [0, header.contents_unpacked_bytes - 1, header.contents_unpacked_bytes + 1, 4 << 30] {
        let lying = Header { contents_unpacked_bytes: size, ..header };
        let bytes = [&lying.to_bytes()[..], &whole[HEADER_BYTES..]].concat();
        assert_eq!(why(opened(&folder, &bytes)), BundleError::Damaged { part: "contents" });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_written_is_read(shops in 1usize..40, in_block in 1usize..12) {
        let (folder, whole) = a_bundle(shops, in_block);
        prop_assert!(opened(&folder, &whole).is_ok());
        let bundle = Bundle::open(&folder.path().join("fits.pack")).unwrap();
        let mut read = 0;
        bundle.verify(|fits| read += fits).unwrap();
        prop_assert_eq!(read, shops as u64);
        prop_assert_eq!(bundle.contents().blocks.len(), shops.div_ceil(in_block));
    }

    /// Wherever it is cut, whatever bit is another one, whatever stands behind it: it is said what is wrong.
    #[test]
    fn no_damage_goes_unseen(at in any::<prop::sample::Index>(), flip in 1u8.., behind in 1usize..100) {
        let (folder, whole) = a_bundle(9, 4);
        let at = at.index(whole.len());
        let torn = why(opened(&folder, &whole[..at]));
        match at {
            0 => prop_assert_eq!(torn, BundleError::Foreign),
            _ => {
                let is_torn = matches!(torn, BundleError::Torn { found, .. } if found == at as u64);
                prop_assert!(is_torn, "{:?}", torn);
            }
        }
        let mut flipped = whole.clone();
        flipped[at] ^= flip;
        let damaged = why(opened(&folder, &flipped));
        match at {
            0..8 => prop_assert_eq!(damaged, BundleError::Foreign),
            8..HEADER_BYTES => prop_assert_eq!(damaged, BundleError::Damaged { part: "first bytes" }),
            _ => prop_assert_eq!(damaged, BundleError::Damaged { part: "bytes" }),
        }
        let longer = [whole.clone(), vec![0; behind]].concat();
        let is_torn = matches!(why(opened(&folder, &longer)), BundleError::Torn { .. });
        prop_assert!(is_torn);
    }
}
