//! A run that was stopped and resumed ends with the same weights as one that was not.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use fastersam_experiments::config::Experiment;
use fastersam_experiments::{data, train};

const EXPERIMENT: &str = r#"
id = "resume"
title = "Resuming"

[data]
source = "phantom"
family = "heart"
train_cases = 2
calibrate_cases = 1
evaluate_cases = 1

[model]
preset = "tiny"
input_size = 64
pause_points = [0, 2, 4]

[train]
epochs = 2
batch_size = 4
learning_rate = 1e-3
warmup_steps = 3
weight_decay = 0.05
augment = true
checkpoint_every_steps = 2

[measure]
batch_size = 4
thresholds = []
dice_tolerance = 0.0
throughput_batch_sizes = []
throughput_runs = 1
"#;

/// The parameters and the optimiser's state in a checkpoint.
fn state(checkpoint: &Path) -> [Vec<u8>; 2] {
    ["model.bpk", "optimizer.bpk"].map(|name| fs::read(checkpoint.join(name)).unwrap())
}

#[test]
fn a_killed_and_resumed_run_ends_with_the_same_weights() {
    let experiment = Experiment::parse(EXPERIMENT, &[]).unwrap();
    let data = data::load(&experiment, None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();

    let whole = folder.path().join("whole");
    let expected = train::train(&experiment, &data, &whole, false, &device).unwrap();

    // Killed in the middle of the first epoch: all that is left is its last checkpoint.
    let killed = folder.path().join("killed");
    train::train_until(&experiment, &data, &killed, &device, 3).unwrap();
    assert!(fs::read_to_string(killed.join("checkpoints/latest")).unwrap().starts_with("step-000-00002"));
    let resumed = train::train(&experiment, &data, &killed, true, &device).unwrap();

    let (a, b) = (model_values(&expected.checkpoint), model_values(&resumed.checkpoint));
    assert_eq!(a, b, "other weights after resuming");
    assert!(!state(&resumed.checkpoint)[1].is_empty());

    // Another configuration must not go on from here.
    let other = Experiment::parse(EXPERIMENT, &["train.batch_size=2".to_owned()]).unwrap();
    assert!(train::train(&other, &data, &killed, true, &device).is_err());
}

/// The bits of every parameter, by path.
fn model_values(checkpoint: &Path) -> Vec<(String, Vec<u32>)> {
    use burn::module::{Module, ModuleVisitor, Param};
    use burn::tensor::Tensor;

    struct Collect {
        path: Vec<String>,
        values: Vec<(String, Vec<u32>)>,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let values = param.val().into_data().try_to_vec::<f32>().unwrap();
            let bits = values.into_iter().map(f32::to_bits).collect();
            self.values.push((self.path.join("."), bits));
        }
    }
    let loaded = fastersam::Checkpoint::load(checkpoint, &Device::flex()).unwrap();
    let mut collect = Collect { path: Vec::new(), values: Vec::new() };
    loaded.model.visit(&mut collect);
    collect.values
}
