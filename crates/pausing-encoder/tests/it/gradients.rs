//! Gradients reach what is trained, through the same ragged path, and nothing that is frozen.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};
use fastersam_device::of_tests;
use fastersam_pausing_encoder::{Context, PauseSettings, is_backbone};

use crate::support::{Path, batch, build, forms_and_schemes};

struct Visitor<'a> {
    path: Path,
    gradients: &'a Gradients,
    tune_layer_norms: bool,
    form: &'a str,
    n_trained: usize,
}

impl ModuleVisitor for Visitor<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.name();
        let is_norm = name.contains("norm");
        let is_trained = !is_backbone(&name) || (self.tune_layer_norms && is_norm);
        let gradient = param.val().grad(self.gradients);
        assert_eq!(gradient.is_some(), is_trained, "{}: {name}", self.form);
        if let Some(gradient) = gradient {
            self.n_trained += 1;
            let largest = gradient.abs().max().into_scalar::<f32>();
            assert!(largest > 0.0 && largest.is_finite(), "{}: {name}: {largest}", self.form);
        }
    }
}

#[test]
fn gradients_reach_what_is_trained_and_nothing_else() {
    let device = of_tests().autodiff();
    for (form, config) in forms_and_schemes() {
        for (context, tune_layer_norms) in [(Context::None, true), (Context::FrozenKv, false)] {
            let encoder = build(&config, &device).freeze_backbone(tune_layer_norms);
            let (images, features) = batch(&config, &[1, 2], &device);
            let settings =
                PauseSettings { context, score_heads: true, ..PauseSettings::keep_ratio([0.8, 1.0, 0.6]) };
            let output = encoder.forward(images, Some(&features), &settings).unwrap();
            assert_eq!(output.stages.len(), 3);
            let mut loss = output.embedding.square().sum();
            for stage in output.stages {
                loss = loss + stage.logits.square().sum();
            }
            let gradients = loss.backward();
            let mut visitor =
                Visitor { path: Path::default(), gradients: &gradients, tune_layer_norms, form, n_trained: 0 };
            encoder.visit(&mut visitor);
            assert!(visitor.n_trained > 20, "{form}");
        }
    }
}
