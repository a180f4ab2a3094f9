//! From raw columns to fits: what is missing, unseen, mismatched or pruned.

use std::sync::Arc;

use learn::{Block, Design, DesignError, Method, Moments, Scratch, predict, prune};
use schemas::column::{Column, TEXT_NULL, TextColumn};
use schemas::feature::Feature;
use schemas::fit::{Input, Parameters};
use schemas::time::TIME_NULL;

const HOUR_MS: i64 = 3_600_000;

fn table() -> Vec<(&'static str, Column)> {
    let texts = [Some("a"), Some("b"), None, Some("c"), Some("a")];
    vec![
        ("distance", Column::Number(vec![1.0, 2.0, 3.0, f64::NAN, f64::INFINITY])),
        ("at", Column::Time(vec![5 * HOUR_MS, TIME_NULL, 7 * HOUR_MS, 8 * HOUR_MS, 33 * HOUR_MS])),
        ("plane", Column::Text(TextColumn::from_rows(texts))),
    ]
}

fn number(feature: &str) -> Input {
    Input::Number(Feature::parse(feature).expect("a feature"))
}

fn one_hot(column: &str, categories: &[&str]) -> Input {
    let categories = categories.iter().map(|category| category.to_string()).collect();
    Input::OneHot { column: column.to_owned(), categories }
}

fn design(inputs: &[Input], table: &[(&str, Column)]) -> Result<Design, DesignError> {
    let rows = table[0].1.len();
    let named = |name: &str| table.iter().find(|(own, _)| *own == name);
    Design::new(inputs, rows, |input| named(input.column()).map(|(_, column)| Arc::new(column.clone())))
}

#[test]
fn a_row_is_complete_when_every_input_has_a_value() {
    let table = table();
    let inputs = [number("distance"), number("hour(at)"), one_hot("plane", &["a"])];
    let design = design(&inputs, &table).unwrap();
    let missing: Vec<Option<usize>> = (0..5).map(|row| design.missing(row)).collect();
    assert_eq!(missing, [None, Some(1), Some(2), Some(0), Some(0)]);
    let complete: Vec<bool> = (0..5).map(|row| design.is_complete(row)).collect();
    assert_eq!(complete, [true, false, false, false, false]);
    assert_eq!(design.complete_mask(), complete);
}

#[test]
fn blocks_hold_the_asked_rows_and_unseen_texts_are_all_zeros() {
    let table = table();
    let inputs = [one_hot("plane", &["z", "b", "a"]), number("hour(at)"), number("distance")];
    let design = design(&inputs, &table).unwrap();
    assert_eq!((design.width(), design.rows()), (5, 5));
    let mut block = Block::default();
    design.block(&[4, 3, 1, 0], &mut block);
    // Once more, so that nothing of what the buffer held before shows.
    design.block(&[4, 3, 0], &mut block);
    assert_eq!((block.width(), block.rows()), (5, 3));
    let columns: Vec<&[f64]> = (0..4).map(|i| block.column(i)).collect();
    assert_eq!(columns, [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [9.0, 8.0, 5.0]]);
    assert_eq!(block.column(4)[2], 1.0);
}

#[test]
fn a_design_kept_by_rows_answers_the_same() {
    let table = table();
    let inputs =
        [one_hot("plane", &["b", "a"]), number("hour(at)"), one_hot("plane", &["c"]), number("distance")];
    let by_columns = design(&inputs, &table).unwrap();
    let mut by_rows = design(&inputs, &table).unwrap();
    by_rows.by_rows(&[3, 0, 4]);
    let blocks = [&by_columns, &by_rows].map(|design| {
        let mut block = Block::default();
        design.block(&[4, 0, 2, 4], &mut block);
        block
    });
    assert_eq!(blocks[0], blocks[1]);
    assert_eq!(by_columns.complete_mask(), by_rows.complete_mask());
    assert!((0..5).all(|row| by_columns.missing(row) == by_rows.missing(row)));
    assert_eq!(by_rows.size_bytes(), 5 * (2 * size_of::<f64>() + size_of::<u32>()));
}

#[test]
fn torn_texts_are_missing_not_unseen() {
    let torn = TextColumn { codes: vec![0, 1, TEXT_NULL], values: vec!["a".to_owned()] };
    let table = [("plane", Column::Text(torn))];
    let design = design(&[one_hot("plane", &["a"])], &table).unwrap();
    assert_eq!(design.complete_mask(), [true, false, false]);
}

#[test]
fn columns_of_the_wrong_kind_or_length_are_named() {
    let mut table = table();
    let error = |input: Input, table: &[(&str, Column)]| design(&[input], table).unwrap_err().to_string();
    assert_eq!(error(number("plane"), &table), "column `plane` holds texts; the model reads it as numbers");
    assert_eq!(
        error(number("hour(distance)"), &table),
        "column `distance` holds numbers; the model reads it as times"
    );
    assert_eq!(error(one_hot("at", &[]), &table), "column `at` holds times; the model reads it as texts");
    assert_eq!(error(number("speed"), &table), "column `speed` is missing; the model reads it as numbers");
    table.push(("short", Column::Number(vec![1.0])));
    assert!(error(number("short"), &table).starts_with("column `short` has 1 rows, the table 5"));
}

/// Ten thousand rows, more than one block.
fn flights() -> (Vec<(&'static str, Column)>, Vec<f64>) {
    let rows = 0..10_000u32;
    let distance: Vec<f64> = rows.clone().map(|row| f64::from(row * 7919 % 1_013)).collect();
    let planes = rows.clone().map(|row| Some(["a", "b", "never", "c"][[0, 1, 3][row as usize % 3]]));
    let noise = rows.clone().map(|row| f64::from(row * 31 % 17));
    let target = distance.iter().zip(noise).map(|(distance, noise)| 0.5 * distance + noise).collect();
    let planes = Column::Text(TextColumn::from_rows(planes));
    (vec![("distance", Column::Number(distance)), ("plane", planes)], target)
}

#[test]
fn pruning_drops_categories_that_never_occur_and_keeps_predictions() {
    let (table, target) = flights();
    let inputs = [one_hot("plane", &["a", "never", "b", "c"]), number("distance")];
    let whole = design(&inputs, &table).unwrap();
    let rows: Vec<u32> = (0..10_000).filter(|row| row % 3 != 1).collect();
    let mut scratch = Scratch::default();
    let fitted = Method::Linear.fit(&whole, &target, &rows, &mut scratch).unwrap();
    let moments = Moments::over(&whole, &target, &rows, &mut scratch);
    let (kept, pruned) = prune(&inputs, fitted.clone(), |column| moments.occurs(column));
    assert_eq!(kept, [one_hot("plane", &["a", "c"]), number("distance")]);

    let (mut block, mut before, mut after) = (Block::default(), Vec::new(), Vec::new());
    whole.block(&rows, &mut block);
    predict(&fitted, &block, &mut before).unwrap();
    design(&kept, &table).unwrap().block(&rows, &mut block);
    assert!(predict(&fitted, &block, &mut after).is_err(), "five coefficients, three columns");
    predict(&pruned, &block, &mut after).unwrap();
    assert_eq!(before, after);
}

#[test]
fn a_mean_needs_no_inputs() {
    let (table, target) = flights();
    let inputs = [number("distance")];
    let whole = design(&inputs, &table).unwrap();
    let rows = [0, 1, 2];
    let fitted = Method::Mean.fit(&whole, &target, &rows, &mut Scratch::default()).unwrap();
    let (kept, pruned) = prune(&inputs, fitted, |_| false);
    assert_eq!(kept, []);
    let expected = target[..3].iter().sum::<f64>() / 3.0;
    let Parameters::Linear { intercept, .. } = pruned else { panic!("a linear fit") };
    assert!((intercept - expected).abs() < 1e-9);
    let (mut block, mut out) = (Block::default(), Vec::new());
    design(&kept, &table).unwrap().block(&rows, &mut block);
    predict(&pruned, &block, &mut out).unwrap();
    assert_eq!(out, [intercept; 3]);
}

#[test]
fn rows_by_blocks_give_the_moments_of_all_rows_at_once() {
    let (table, target) = flights();
    let whole = design(&[number("distance"), one_hot("plane", &["a"])], &table).unwrap();
    let rows: Vec<u32> = (0..10_000).rev().collect();
    let over = Moments::over(&whole, &target, &rows, &mut Scratch::default());
    let mut block = Block::default();
    whole.block(&rows, &mut block);
    let at_once = Moments::of(&block, &target.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(over.count(), 10_000);
    for i in 0..=2 {
        for j in 0..=2 {
            let scale = (at_once.second(i, i) * at_once.second(j, j)).sqrt();
            assert!((over.second(i, j) - at_once.second(i, j)).abs() <= 1e-12 * scale);
        }
    }
}
