//! The first experiment file for data of one's own.

use fastersam_datasets::custom::Description;
use fastersam_records::slug;

/// An experiment file for described data, to be read as it is and to be changed: everything that is not said in it has a
/// default. `path` is that of the description, relative to where the file will lie.
#[must_use]
pub fn draft(description: &Description, path: &str) -> String {
    let n_train = description.splits.get("train").map_or(0, Vec::len);
    let calibrate = match n_train {
        // Held out, they would be missed.
        0..5 => "{ from_training = 1 }".to_owned(),
        _ => format!("{{ hold_out = {} }}", n_train.div_ceil(10)),
    };
    let evaluate = if description.splits.contains_key("valid") { "valid" } else { "train" };
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let id = Some(slug(&description.name).replace('.', "-")).filter(|id| !id.is_empty());
    format!(
        "# A first experiment. `fastersam train -c FILE` trains it, `fastersam reproduce` takes it in a suite. All keys and their\n\
         # defaults: docs/configuration.md.\n\
         id = {}\n\
         title = {}\n\
         \n\
         [data]\n\
         source = \"files\"\n\
         path = {}\n\
         train = \"train\"\n\
         # Which cases choose the pause setting.\n\
         calibrate = {calibrate}\n\
         evaluate = \"{evaluate}\"\n\
         \n\
         [model]\n\
         # `tiny` trains in minutes on a CPU. Better, and slower: `small`, or `vit_s`, `vit_b`, ... from pre-trained weights.\n\
         preset = \"tiny\"\n\
         # Tokens may pause before the first block (0) and after these.\n\
         pause_points = [0, 2, 4]\n\
         \n\
         [train]\n\
         epochs = 10\n",
        quoted(id.as_deref().unwrap_or("experiment")),
        quoted(&description.name),
        quoted(path),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fastersam_datasets::custom::SliceAxis;
    use fastersam_volume::Intensity;

    use super::*;
    use crate::config::{Calibrate, DataConfig, Experiment, FromTraining, HoldOut};

    #[test]
    fn a_draft_is_an_experiment_whatever_the_data_are_called() {
        for (name, id, n_train) in
            [("Leber \"α\" 3.1", "leber-3_1", 30), ("...", "___", 3), ("→", "experiment", 1)]
        {
            let cases = |n: usize| (0..n).map(|n| format!("p{n}")).collect::<Vec<_>>();
            let splits = BTreeMap::from([("train".to_owned(), cases(n_train)), ("valid".to_owned(), cases(1))]);
            let description = Description {
                name: name.to_owned(),
                folder: None,
                image: "images".to_owned(),
                label: "labels".to_owned(),
                axis: SliceAxis::Axial,
                background: Vec::new(),
                intensity: Intensity::Unit,
                labels: Vec::new(),
                splits,
                folds: BTreeMap::new(),
                cases: Vec::new(),
            };
            let experiment = Experiment::parse(&draft(&description, "a \\ b.toml"), &[]).unwrap();
            assert_eq!((experiment.title.as_str(), experiment.id.as_str()), (name, id));
            let expected = match n_train {
                30 => Calibrate::HoldOut(HoldOut { hold_out: 3 }),
                _ => Calibrate::FromTraining(FromTraining { from_training: 1 }),
            };
            let DataConfig::Files { path, calibrate, .. } = experiment.data else { panic!("{name}") };
            assert_eq!((path.to_str().unwrap(), calibrate), ("a \\ b.toml", expected));
        }
    }
}
