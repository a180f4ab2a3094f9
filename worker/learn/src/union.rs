//! The design of rows that were read in parts: each part has the categories that its own rows have.

use std::collections::BTreeSet;

use schemas::fit::Input;

/// The inputs with the categories of all of `parts`, in the order of their texts. `None` where the parts are not of one spec.
pub fn union(parts: &[&[Input]]) -> Option<Vec<Input>> {
    let (first, others) = parts.split_first()?;
    if others.iter().any(|part| part.len() != first.len()) {
        return None;
    }
    let input = |at: usize| match &first[at] {
        Input::OneHot { column, .. } => {
            let mut all = BTreeSet::new();
            for part in parts {
                let Input::OneHot { column: own, categories } = &part[at] else { return None };
                if own != column {
                    return None;
                }
                all.extend(categories.iter().cloned());
            }
            Some(Input::OneHot { column: column.clone(), categories: all.into_iter().collect() })
        }
        same => parts.iter().all(|part| part[at] == *same).then(|| same.clone()),
    };
    (0..first.len()).map(input).collect()
}

/// Where the design columns of `part` are among those of `all`; `None` where one is not.
pub fn places(part: &[Input], all: &[Input]) -> Option<Vec<usize>> {
    let (mut places, mut at) = (Vec::new(), 0);
    if part.len() != all.len() {
        return None;
    }
    for (own, input) in part.iter().zip(all) {
        match (own, input) {
            (Input::OneHot { column, categories }, Input::OneHot { column: other, categories: known })
                if column == other =>
            {
                let place = |category: &String| Some(at + known.iter().position(|text| text == category)?);
                places.extend(categories.iter().map(place).collect::<Option<Vec<_>>>()?);
            }
            (own, input) if own == input => places.extend(at..at + own.width()),
            _ => return None,
        }
        at += input.width();
    }
    Some(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::feature::Feature;

    fn one_hot(categories: &[&str]) -> Input {
        let categories = categories.iter().map(|text| (*text).to_owned()).collect();
        Input::OneHot { column: "c".into(), categories }
    }

    #[test]
    fn every_part_finds_its_columns_among_all() {
        let number = |name: &str| Input::Number(Feature::Column(name.into()));
        let (a, b) = ([number("x"), one_hot(&["b", "d"])], [number("x"), one_hot(&["a", "d"])]);
        let all = union(&[&a, &b]).unwrap();
        assert_eq!(all, [number("x"), one_hot(&["a", "b", "d"])]);
        assert_eq!((places(&a, &all), places(&b, &all)), (Some(vec![0, 2, 3]), Some(vec![0, 1, 3])));
        assert_eq!(places(&all, &a), None);
        assert_eq!(union(&[&a, &[number("z"), one_hot(&[])]]), None);
        assert_eq!(union(&[&a, &a[..1]]), None);
    }
}
