//! Messages that earlier releases sent, byte for byte: they are read for ever.

use crate::announce::{Announcement, Role};
use crate::envelope::{NAMED, NEWEST, common, decode, decode_versioned, encode_as};
use crate::predict::{NO_FIT, PredictReply, PredictRequest, RowErrorKind, text_column};

/// One row of a flight, and three with an explanation asked for: of a known scope, of an unknown one, and without a value.
const REQUESTS: [&[u8]; 2] =
    [include_bytes!("../golden/v1/plain.request"), include_bytes!("../golden/v1/explained.request")];

/// What a predictor of the same release replied to each.
const REPLIES: [&[u8]; 2] =
    [include_bytes!("../golden/v1/plain.reply"), include_bytes!("../golden/v1/explained.reply")];

const ANNOUNCEMENT: &[u8] = include_bytes!("../golden/v1/announcement");

#[test]
fn requests_of_version_1_are_read() {
    let [plain, explained] = REQUESTS.map(|bytes| decode_versioned::<Vec<PredictRequest>>(bytes).unwrap());
    assert_eq!((plain.0, explained.0), (NAMED, NAMED));
    let (plain, explained) = (&plain.1[0], &explained.1[0]);
    assert_eq!((plain.rows, plain.explain, &*plain.channel), (1, false, "live"));
    assert_eq!((explained.rows, explained.explain), (3, true));
    assert!(plain.state.as_ref().is_some_and(|state| state.campaigns == 1 && !state.newest.is_empty()));
    let carriers = text_column(&explained.columns, "carrier").unwrap();
    assert_eq!((carriers.get(0), carriers.get(1)), (Some("9E"), Some("ZZ")));
    assert_eq!(text_column(&explained.columns, "dest").unwrap().get(2), None);
}

#[test]
fn replies_of_version_1_are_read() {
    let replies = REPLIES.map(|bytes| decode::<Vec<PredictReply>>(bytes).unwrap());
    let [[PredictReply::Done(plain)], [PredictReply::Done(explained)]] =
        replies.each_ref().map(Vec::as_slice)
    else {
        panic!("refused: {replies:?}")
    };
    assert!(plain.has_rows(1) && plain.adds_up() && explained.has_rows(3) && explained.adds_up());
    assert_eq!(plain.values[0], explained.values[0]);
    assert_eq!(plain.fits[0].scope.as_str(), "carrier=9E,origin=EWR,dest=CVG");
    assert_eq!(explained.fit_of, [0, NO_FIT, NO_FIT]);
    let kinds: Vec<(u32, RowErrorKind)> =
        explained.errors.iter().map(|error| (error.row, error.kind)).collect();
    assert_eq!(kinds, [(1, RowErrorKind::NoFit), (2, RowErrorKind::NoFit)]);
    let own = &explained.explained[0];
    let sum = own.bases[0] + own.contributions.iter().sum::<f64>();
    assert!((sum - explained.values[0]).abs() < 1e-9 && own.rows == [0]);
}

#[test]
fn who_says_nothing_of_versions_is_spoken_to_in_the_first() {
    let word: Announcement = decode(ANNOUNCEMENT).unwrap();
    assert!(word.ready && word.role == Role::Predictor);
    assert_eq!(common(word.messages), NAMED);
}

/// The same in version 2: without names, every byte has its place, so that a change of these is a new version.
const REQUESTS_2: [&[u8]; 2] =
    [include_bytes!("../golden/v2/plain.request"), include_bytes!("../golden/v2/explained.request")];
const REPLIES_2: [&[u8]; 2] =
    [include_bytes!("../golden/v2/plain.reply"), include_bytes!("../golden/v2/explained.reply")];

#[test]
fn version_2_says_the_same_as_version_1_and_stays_as_it_is() {
    for (first, second) in REQUESTS.into_iter().zip(REQUESTS_2) {
        let asked: Vec<PredictRequest> = decode(first).unwrap();
        let (version, same) = decode_versioned::<Vec<PredictRequest>>(second).unwrap();
        assert_eq!((version, format!("{same:?}")), (2, format!("{asked:?}")));
        assert_eq!(encode_as(2, &asked).unwrap(), second);
    }
    for (first, second) in REPLIES.into_iter().zip(REPLIES_2) {
        let replies: Vec<PredictReply> = decode(first).unwrap();
        let (version, same) = decode_versioned::<Vec<PredictReply>>(second).unwrap();
        assert_eq!((version, format!("{same:?}")), (2, format!("{replies:?}")));
        assert_eq!(encode_as(2, &replies).unwrap(), second);
    }
    assert_eq!(NEWEST, 2, "a newer version wants messages of its own here");
}
