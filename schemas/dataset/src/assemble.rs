//! Pieces of a column, one after another, into the whole column.

use std::collections::HashMap;

use schemas::column::{Column, TEXT_NULL, TextColumn};

use crate::request::Role;

/// The rows of all pieces in their order. Every piece must be of `role`; the values of texts come out sorted.
pub(crate) fn concat(pieces: Vec<Column>, role: Role) -> Column {
    match role {
        Role::Number => Column::Number(join(pieces.into_iter().filter_map(|piece| match piece {
            Column::Number(values) => Some(values),
            _ => None,
        }))),
        Role::Time => Column::Time(join(pieces.into_iter().filter_map(|piece| match piece {
            Column::Time(times) => Some(times),
            _ => None,
        }))),
        Role::Text => {
            let texts = pieces.into_iter().filter_map(|piece| match piece {
                Column::Text(text) => Some(text),
                _ => None,
            });
            Column::Text(unify(&texts.collect::<Vec<_>>()))
        }
    }
}

fn join<T: Copy>(pieces: impl Iterator<Item = Vec<T>>) -> Vec<T> {
    let mut pieces: Vec<Vec<T>> = pieces.collect();
    match pieces.len() {
        1 => pieces.swap_remove(0),
        _ => pieces.concat(),
    }
}

/// One dictionary for all pieces, sorted, so that codes do not depend on how the rows are spread over files.
fn unify(pieces: &[TextColumn]) -> TextColumn {
    let mut distinct: Vec<&str> = {
        let all = pieces.iter().flat_map(|piece| piece.values.iter().map(String::as_str));
        all.collect::<std::collections::HashSet<_>>().into_iter().collect()
    };
    distinct.sort_unstable();
    let places: HashMap<&str, u32> = distinct.iter().copied().zip(0u32..).collect();
    let mut codes = Vec::with_capacity(pieces.iter().map(|piece| piece.codes.len()).sum());
    for piece in pieces {
        let global: Vec<u32> = piece.values.iter().map(|value| places[value.as_str()]).collect();
        codes.extend(piece.codes.iter().map(|code| match *code {
            TEXT_NULL => TEXT_NULL,
            code => global[code as usize],
        }));
    }
    TextColumn { codes, values: distinct.into_iter().map(str::to_owned).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_pieces_become_codes_of_one_sorted_dictionary() {
        let piece = |rows: &[Option<&str>]| Column::Text(TextColumn::from_rows(rows.iter().copied()));
        let whole =
            concat(vec![piece(&[Some("b"), None]), piece(&[]), piece(&[Some("a"), Some("b")])], Role::Text);
        let Column::Text(text) = whole else { panic!("kind changed") };
        assert_eq!((text.codes, text.values), (vec![1, TEXT_NULL, 0, 1], vec!["a".into(), "b".into()]));
    }
}
