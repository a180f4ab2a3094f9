//! Forecasting: a series of points at equal distances in, the points after it and their intervals out.
//!
//! | module | job |
//! |---|---|
//! | [`points`] | from rows with times to points at equal distances |
//! | [`forecaster`], [`run`] | what a spec asks for, and running it |
//! | [`outlook`], [`normal`] | the points foretold with their intervals; the normal distribution |
//! | [`naive`], [`theta`], [`ets`], [`mstl`] | the methods: naive, seasonal naive and drift; one file or folder for each other |
//! | [`regression`], [`lagged`] | any regression, on columns out of the series itself |
//! | [`seasons`] | classical decomposition into trend and seasons |
//! | [`least_squares`] | parameters that make residuals small |
//!
//! Intervals are those of Hyndman and Athanasopoulos, "Forecasting: principles and practice" (3rd edition, 2021), where
//! a file names no other source: they take the parameters as known.

mod error;
mod ets;
mod forecaster;
mod lagged;
mod least_squares;
mod mstl;
mod naive;
mod normal;
mod outlook;
mod points;
mod regression;
mod run;
mod seasons;
mod theta;

pub use error::ForecastError;
pub use ets::{Form, fit_form};
pub use forecaster::Forecaster;
pub use outlook::Outlook;
pub use points::{Points, points};
pub use regression::Regression;
pub use run::ForecastMethod;
