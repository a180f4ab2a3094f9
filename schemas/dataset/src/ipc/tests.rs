//! Streams of arrow's own writer, whole, in pieces, damaged and hostile.

use std::sync::Arc;

use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int32Array, LargeStringArray, ListArray,
    NullArray, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray,
};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use proptest::prelude::*;
use schemas::column::Column;
use schemas::predict::{NO_FIT, Predictions};
use schemas::spec::ModelSpec;

use super::*;
use crate::{Answer, Fields, Taken};

fn fields() -> Fields {
    let text = "name = \"m\"\n[data]\nsource = \"x\"\ntime = \"t\"\n[scope]\ndimensions = [\"shop\"]\n[learn]\n\
                target = \"y\"\nfeatures = [\"x\", \"hour(t)\"]\ncategorical = [\"kind\"]";
    Fields::of(&ModelSpec::parse(text).unwrap())
}

fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
}

fn whole() -> RecordBatch {
    let kinds: DictionaryArray<Int8Type> = [Some("k"), None, Some("l")].into_iter().collect();
    batch(vec![
        (
            "shop",
            Arc::new(StringViewArray::from(vec![Some("a shop with a name that is long"), Some("B"), None])),
        ),
        ("x", Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]))),
        (
            "t",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_000_000), None, Some(0)])
                    .with_timezone("Europe/Berlin"),
            ),
        ),
        ("kind", Arc::new(kinds)),
        ("more", Arc::new(LargeStringArray::from(vec!["p", "q", "r"]))),
        ("flag", Arc::new(BooleanArray::from(vec![true, false, true]))),
        ("nothing", Arc::new(NullArray::new(3))),
    ])
}

fn decode(bytes: &[u8], step: usize, fields: Fields, limits: Limits) -> Result<Vec<Taken>, IpcError> {
    let mut decoder = Decoder::new(fields, limits);
    let mut all = Vec::new();
    for mut chunk in bytes.chunks(step) {
        while let Some(taken) = decoder.next(&mut chunk)? {
            all.push(taken);
        }
    }
    decoder.finish()?;
    Ok(all)
}

fn refused(bytes: &[u8]) -> String {
    decode(bytes, 1 << 20, fields(), Limits::default()).unwrap_err().to_string()
}

#[test]
fn columns_are_what_the_model_reads_however_the_bytes_come() {
    let bytes = stream(&[whole(), whole().slice(1, 2), whole().slice(0, 0)]);
    let all = decode(&bytes, bytes.len(), fields(), Limits::default()).unwrap();
    assert_eq!(all.iter().map(|taken| taken.rows).collect::<Vec<_>>(), [3, 2, 0]);
    let named = |name: &str| &all[0].columns.iter().find(|named| *named.name == *name).unwrap().column;
    assert_eq!(format!("{:?}", named("x")), "Number([1.0, NaN, 3.0])");
    assert_eq!(**named("t"), Column::Time(vec![1_000, i64::MIN, 0]));
    let Column::Text(kinds) = &**named("kind") else { panic!("no texts") };
    assert_eq!([kinds.get(0), kinds.get(1), kinds.get(2)], [Some("k"), None, Some("l")]);
    assert_eq!(all[0].columns.len(), 4);
    let others = decode(&bytes, bytes.len(), fields().and_others(), Limits::default()).unwrap();
    let names: Vec<&str> = others[0].columns.iter().map(|named| &*named.name).collect();
    assert_eq!(names[4..], ["more", "flag"]);
    for step in [1, 7, 64, 1_000] {
        let again = decode(&bytes, step, fields(), Limits::default()).unwrap();
        assert_eq!(format!("{again:?}"), format!("{all:?}"));
    }
}

#[test]
fn texts_that_are_no_times_are_errors_at_their_rows() {
    let times: ArrayRef = Arc::new(StringArray::from(vec!["1970-01-01", "soon"]));
    let all = decode(&stream(&[batch(vec![("t", times)])]), 100, fields(), Limits::default()).unwrap();
    assert_eq!((all[0].errors.len(), all[0].errors[0].row), (1, 1));
}

#[test]
fn what_is_no_stream_or_not_readable_is_refused_with_its_reason() {
    assert!(refused(b"{\"rows\": [{}]}").contains("no Arrow IPC stream"));
    assert!(refused(b"").contains("ends too early"));
    let mut writer = FileWriter::try_new(Vec::new(), &whole().schema()).unwrap();
    writer.write(&whole()).unwrap();
    assert!(refused(&writer.into_inner().unwrap()).contains("no Arrow IPC stream: it begins with \"ARROW1"));
    let bytes = stream(&[whole()]);
    for end in [4, 100, bytes.len() - 20] {
        assert!(refused(&bytes[..end]).contains("ends too early"), "{end}");
    }
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
    let nested = refused(&stream(&[batch(vec![("l", Arc::new(list))])]));
    assert!(nested.contains("`l`") && nested.contains("List"), "{nested}");
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    let wrong = refused(&stream(&[batch(vec![("x", texts)])]));
    assert!(wrong.contains("column `x` of the Arrow stream holds texts, but numbers are wanted"), "{wrong}");
}

#[test]
fn a_stream_cannot_make_the_process_hold_more_than_its_limits() {
    let x: ArrayRef = Arc::new(Float64Array::from(vec![1.0; 1_000]));
    let bytes = stream(&[batch(vec![("x", x)])]);
    let with = |limits| decode(&bytes, 64, fields(), limits).unwrap_err().to_string();
    let limits = Limits::default();
    assert!(with(Limits { message_bytes_max: 5_000, ..limits }).contains("more than 5000"));
    assert!(with(Limits { batch_rows_max: 999, ..limits }).contains("1000 rows, more than 999"));
    assert!(with(Limits { taken_bytes_max: 8_000, ..limits }).contains("more than 8000"));
    // A length alone takes no memory.
    let mut claim = vec![0xff; 4];
    claim.extend((60u32 << 20).to_le_bytes());
    assert!(matches!(decode(&claim, 8, fields(), limits), Err(IpcError::Truncated)));
    claim[4..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(decode(&claim, 8, fields(), limits), Err(IpcError::TooLarge { .. })));
    // Nulls cost a stream nothing, and views of one long text little.
    let nothing: ArrayRef = Arc::new(NullArray::new(2 << 20));
    assert!(refused(&stream(&[batch(vec![("x", nothing)])])).contains("rows, more than"));
    let long = "long".repeat(1 << 18);
    let views: ArrayRef = Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(&long, 8)));
    let view = RecordBatch::try_from_iter([("shop", views)]).unwrap();
    let limits = Limits { message_bytes_max: 16 << 20, taken_bytes_max: 4 << 20, ..limits };
    assert!(matches!(decode(&stream(&[view]), 1 << 16, fields(), limits), Err(IpcError::TooLarge { .. })));
}

#[test]
fn answers_come_back_as_they_were() {
    let predictions =
        Predictions { values: vec![1.5, -2.0], fit_of: vec![NO_FIT; 2], ..Predictions::default() };
    let (mut encoder, mut bytes) = Encoder::new(Answer::default()).unwrap();
    bytes.extend(encoder.batch(&predictions).unwrap());
    bytes.extend(encoder.batch(&predictions).unwrap());
    bytes.extend(encoder.finish().unwrap());
    let reader = arrow_ipc::reader::StreamReader::try_new(bytes.as_slice(), None).unwrap();
    let names: Vec<String> = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["prediction", "scope", "level", "fingerprint", "error"]);
    let all: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    assert_eq!(all.len(), 2);
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.5, -2.0]));
    assert_eq!(all[1].column(0), &numbers);
}

/// Whether a damaged stream got past all checks and made the decoder panic.
fn panicked(bytes: &[u8], step: usize) -> bool {
    let done = decode(bytes, step, fields().and_others(), Limits::default());
    done.is_err_and(|error| error.to_string().contains("it cannot be decoded"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn damaged_streams_are_errors_or_other_values(
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        step in 1usize..2_000,
    ) {
        let mut bytes = stream(&[whole(), whole()]);
        for (place, byte) in damages {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        prop_assert!(!panicked(&bytes, step));
    }

    #[test]
    fn lengths_and_offsets_may_lie(place in any::<prop::sample::Index>(), value in prop_oneof![
        Just(i64::MAX), Just(i64::MIN), Just(-1), Just(1 << 40), Just(1 << 31), -70i64..70,
    ]) {
        let mut bytes = stream(&[whole()]);
        let place = place.index(bytes.len() / 8 - 1) * 8;
        bytes[place..place + 8].copy_from_slice(&value.to_le_bytes());
        prop_assert!(!panicked(&bytes, bytes.len()));
    }

    #[test]
    fn any_bytes_are_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..400), marked in any::<bool>()) {
        if marked && bytes.len() > 8 {
            bytes[..4].fill(0xff);
            bytes[5..8].fill(0);
        }
        prop_assert!(decode(&bytes, 64, fields(), Limits::default()).is_err() && !panicked(&bytes, 64));
    }

    #[test]
    fn streams_come_back_whole(xs in prop::collection::vec(prop::option::of(any::<f64>()), 0..50), step in 1usize..500) {
        let x: ArrayRef = Arc::new(Float64Array::from(xs.clone()));
        let all = decode(&stream(&[batch(vec![("x", x)])]), step, fields(), Limits::default()).unwrap();
        let expected: Vec<f64> = xs.into_iter().map(|x| x.unwrap_or(f64::NAN)).collect();
        prop_assert_eq!(format!("{:?}", all[0].columns[0].column), format!("{:?}", Column::Number(expected)));
    }
}
