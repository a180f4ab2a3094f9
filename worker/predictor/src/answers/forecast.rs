//! Forecasts: a row is answered by the step that its time lies in.

use std::sync::Arc;

use schemas::forecast::{Band, Forecast};
use schemas::predict::{RowErrorKind, UsedFit};
use schemas::time::TIME_NULL;

use super::Answers;

impl Answers<'_> {
    /// Answers `rows` out of a forecast; a row without a time, or with one out of reach, is an error.
    pub(super) fn foretell(&mut self, forecast: &Forecast, used: &Arc<UsedFit>, rows: &[u32]) {
        let Some(times) = self.columns.times(&forecast.time) else {
            return self.all(rows, RowErrorKind::Invalid, Some(forecast.time.clone()), "a time is required");
        };
        let fit = self.done.fits.len() as u32;
        self.done.fits.push(used.clone());
        for row in rows {
            let place = match times[*row as usize] {
                TIME_NULL => Err("a time is required".to_owned()),
                ms => forecast.place(ms).map_err(|error| error.to_string()),
            };
            match place {
                Ok(place) => self.foretold(forecast, place, *row, fit),
                Err(message) => {
                    self.error(*row, RowErrorKind::Invalid, Some(forecast.time.clone()), &message)
                }
            }
        }
    }

    fn foretold(&mut self, forecast: &Forecast, place: usize, row: u32, fit: u32) {
        let (rows, row) = (self.done.values.len(), row as usize);
        self.done.values[row] = forecast.values[place];
        self.done.fit_of[row] = fit;
        for band in &forecast.bands {
            if let Some((lower, upper)) = band.get(place) {
                Band::set(&mut self.done.intervals, rows, row, (band.level, lower, upper));
            }
        }
    }
}
