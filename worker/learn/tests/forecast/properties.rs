//! Whatever the series: a forecast or a named error, never a panic, a NaN or an endless loop.

use learn::forecast::{ForecastError, ForecastMethod};
use proptest::prelude::*;

const LEVELS: [f64; 2] = [50.0, 99.0];

fn methods(season: usize) -> Vec<ForecastMethod> {
    vec![
        ForecastMethod::Naive,
        ForecastMethod::SeasonalNaive { season },
        ForecastMethod::Drift,
        ForecastMethod::Theta { season },
        ForecastMethod::Ets { season: season.min(24) },
        ForecastMethod::Mstl { season: season.max(2), second: None },
        ForecastMethod::Mstl { season: season.max(2), second: Some(3 * season) },
    ]
}

/// Forecasts and checks what every forecast has to be.
fn check(method: ForecastMethod, y: &[f64], horizon: usize) -> Option<Vec<f64>> {
    let outlook = match method.forecast(y, horizon, &LEVELS) {
        Ok(outlook) => outlook,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    let is_finite = |values: &[f64]| values.len() == horizon && values.iter().all(|value| value.is_finite());
    assert!(is_finite(&outlook.values), "{method:?} of {y:?}: {:?}", outlook.values);
    assert_eq!(outlook.bands.len(), LEVELS.len());
    for band in &outlook.bands {
        assert!(is_finite(&band.lower) && is_finite(&band.upper), "{method:?} of {y:?}: {band:?}");
        assert!(
            band.lower.iter().zip(&band.upper).all(|(lower, upper)| lower <= upper),
            "{method:?} of {y:?}"
        );
    }
    let again = method.forecast(y, horizon, &LEVELS);
    assert_eq!(again.as_ref(), Ok(&outlook), "the same, bit for bit");
    Some(outlook.values)
}

/// Parameters that are in the target's unit follow it, and the others do not.
#[test]
fn settings_are_in_the_targets_own_unit() {
    let y: Vec<f64> = (0..60).map(|at| 40.0 + f64::from(at) * 0.5 + f64::from(at * 7 % 11)).collect();
    let settings = |method: ForecastMethod, scale: f64| {
        let y: Vec<f64> = y.iter().map(|y| y * scale).collect();
        method.forecast(&y, 3, &LEVELS).unwrap().settings
    };
    let changes: Vec<f64> = y.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let sigma = (changes.iter().map(|change| change * change).sum::<f64>() / changes.len() as f64).sqrt();
    assert!((settings(ForecastMethod::Naive, 1.0)["sigma"] - sigma).abs() < 1e-12);
    for method in [ForecastMethod::Naive, ForecastMethod::Drift, ForecastMethod::Theta { season: 1 }] {
        let (one, other) = (settings(method, 1.0), settings(method, 4_096.0));
        for (name, value) in one {
            let expected = if name == "alpha" { value } else { value * 4_096.0 };
            assert_eq!(other[&name], expected, "{method:?}: {name}");
        }
    }
}

fn odd_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => Just(0.0),
        4 => 0.0..100.0f64,
        2 => -100.0..100.0f64,
        1 => prop_oneof![Just(1e300), Just(-1e300), Just(1e-300), Just(5e-324), Just(f64::MAX), Just(1e15)],
    ]
}

/// Seasons, trend and noise, of any size; sometimes with zeros.
fn series() -> impl Strategy<Value = Vec<f64>> {
    let shape = (2..20usize, -1.0..1.0f64, 0.0..5.0f64, -250..250i32, any::<bool>());
    (shape, proptest::collection::vec(-1.0..1.0f64, 1..120)).prop_map(
        |((season, slope, swing, size, cut), noise)| {
            let value =
                |at: usize, noise: &f64| 10.0 + slope * at as f64 + swing * (at % season) as f64 + noise;
            let values = noise.iter().enumerate().map(|(at, noise)| value(at, noise));
            values.map(|value| if cut { value.max(0.0) } else { value } * 10f64.powi(size)).collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn odd_numbers_give_a_forecast_or_a_named_error(
        y in proptest::collection::vec(odd_number(), 0..60),
        season in 1..25usize,
        horizon in 1..40usize,
    ) {
        methods(season).into_iter().for_each(|method| { check(method, &y, horizon); });
    }

    #[test]
    fn a_series_in_other_units_has_the_same_forecast_in_other_units(
        y in series(),
        season in 1..25usize,
        halvings in -60..60i32,
    ) {
        let factor = 2f64.powi(halvings);
        let scaled: Vec<f64> = y.iter().map(|y| y * factor).collect();
        // Bit for bit, but for forecasts below the smallest normal number: there a power of two rounds as well.
        let rounding = f64::from_bits(1) * factor.max(1.0);
        for method in methods(season) {
            let own: Option<Vec<f64>> = check(method, &y, 10).map(|own| own.iter().map(|y| y * factor).collect());
            let other = check(method, &scaled, 10);
            prop_assert_eq!(own.is_some(), other.is_some());
            for (own, other) in own.iter().flatten().zip(other.iter().flatten()) {
                prop_assert!((own - other).abs() <= rounding, "{method:?}: {own:e} is not {other:e}");
            }
        }
    }

    #[test]
    fn a_constant_goes_on_for_ever(value in odd_number(), points in 1..200usize, season in 1..25usize) {
        for method in methods(season) {
            let outlook = method.forecast(&vec![value; points], 30, &LEVELS).unwrap();
            prop_assert!(outlook.values.iter().all(|forecast| *forecast == value));
            prop_assert!(outlook.bands.iter().all(|band| band.lower == band.upper && band.lower[0] == value));
        }
    }

    #[test]
    fn a_straight_line_is_followed(slope in 0.1..10.0f64, points in 12..150usize) {
        let line = |at: usize| 5.0 + slope * at as f64;
        let y: Vec<f64> = (0..points).map(line).collect();
        for method in [ForecastMethod::Drift, ForecastMethod::Ets { season: 1 }] {
            let values = check(method, &y, 5).unwrap();
            for (ahead, value) in values.iter().enumerate() {
                let truth = line(points + ahead);
                prop_assert!((value - truth).abs() < 1e-3 * truth, "{method:?}: {value} is not {truth}");
            }
        }
    }
}

#[test]
fn too_short_a_series_says_how_many_points_are_needed() {
    for method in methods(7) {
        let error = method.forecast(&[1.0, 2.0], 1, &[]);
        match (method, error) {
            (ForecastMethod::Naive, Ok(outlook)) => assert_eq!(outlook.values, [2.0]),
            (_, Err(ForecastError::TooShort { needed, found: 2, .. })) => assert!((3..50).contains(&needed)),
            (method, other) => panic!("{method:?}: {other:?}"),
        }
        assert_eq!(method.forecast(&[], 1, &[]), Err(ForecastError::NoPoints));
        assert_eq!(method.forecast(&[1.0, f64::NAN], 1, &[]), Err(ForecastError::NotFinite));
    }
}

#[test]
fn a_hundred_thousand_points_are_no_trouble() {
    let noise = |at: usize| ((at as f64 * 12.9898).sin() * 43_758.545_3).fract();
    let y: Vec<f64> = (0..100_000)
        .map(|at| 50.0 + 1e-4 * at as f64 + 5.0 * ((at % 24) as f64 / 4.0).sin() + noise(at))
        .collect();
    for method in methods(24) {
        assert!(method.forecast(&y, 48, &LEVELS).is_ok(), "{method:?}");
    }
}

/// Series that wander, drawn with a seed: each moves by a share of its noise.
fn wandering(seed: u64, points: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut level = 100.0;
    (0..points)
        .map(|_| {
            let noise = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
            let point = level + noise;
            level += 0.4 * noise;
            point
        })
        .collect()
}

#[test]
fn intervals_hold_as_many_truths_as_they_say() {
    let methods =
        [ForecastMethod::Theta { season: 1 }, ForecastMethod::Ets { season: 1 }, ForecastMethod::Naive];
    for method in methods {
        let (mut inside, mut all) = (0, 0);
        for seed in 1..=200 {
            let y = wandering(seed, 110);
            let band = &method.forecast(&y[..100], 10, &[80.0]).unwrap().bands[0];
            let ends = band.lower.iter().zip(&band.upper).zip(&y[100..]);
            inside += ends.filter(|((lower, upper), truth)| (*lower..=*upper).contains(truth)).count();
            all += 10;
        }
        let share = f64::from(inside as u32) / f64::from(all);
        // The naive method takes noise for a random walk, so its intervals are wide.
        let expected = if method == ForecastMethod::Naive { 0.8..1.0 } else { 0.74..0.86 };
        assert!(expected.contains(&share), "{method:?}: {share}");
    }
}

/// The same with a season of seven points.
#[test]
fn intervals_with_seasons_hold_as_many_truths_as_they_say() {
    let season = 7;
    let swing = |at: usize| [0.0, 6.0, -4.0, 9.0, 2.0, -7.0, -6.0][at % season];
    for method in [
        ForecastMethod::Theta { season },
        ForecastMethod::Ets { season },
        ForecastMethod::Mstl { season, second: None },
        ForecastMethod::SeasonalNaive { season },
    ] {
        let (mut inside, mut all) = (0, 0);
        for seed in 1..=60 {
            let y: Vec<f64> = wandering(seed, 150).iter().enumerate().map(|(at, y)| y + swing(at)).collect();
            let band = &method.forecast(&y[..140], 10, &[80.0]).unwrap().bands[0];
            let ends = band.lower.iter().zip(&band.upper).zip(&y[140..]);
            inside += ends.filter(|((lower, upper), truth)| (*lower..=*upper).contains(truth)).count();
            all += 10;
        }
        let share = f64::from(inside as u32) / f64::from(all);
        // Seasons are estimates too, and what they are wrong by is in no interval.
        assert!((0.72..0.88).contains(&share), "{method:?}: {share}");
    }
}
