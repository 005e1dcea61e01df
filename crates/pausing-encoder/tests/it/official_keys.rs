//! The names and shapes of the three official builds.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use fastersam_adapter::Tuning;
use fastersam_pausing_encoder::EncoderConfig;

use crate::support::{Path, official_name};

#[derive(Default)]
struct Shapes {
    path: Path,
    found: BTreeMap<String, Vec<usize>>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // Parameters are made when first used: asking for the shape leaves them alone.
        let mut shape = param.lazy_shape().as_slice().to_vec();
        if self.path.is_linear_weight() {
            shape.reverse();
        }
        let name = format!("image_encoder.{}", official_name(&self.path.name()));
        self.found.insert(name, shape);
    }
}

#[test]
fn golden_official_keys_and_shapes() {
    let builds = [
        ("sam_vit_b_keys", EncoderConfig::vit_b(1024)),
        ("sam_vit_l_keys", EncoderConfig::vit_l(1024)),
        ("sam_vit_h_keys", EncoderConfig::vit_h(1024)),
    ];
    for (file, mut config) in builds {
        let Some(keys) = fastersam_golden::json(file) else { continue };
        let expected: BTreeMap<String, Vec<usize>> = keys["tensors"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| name.starts_with("image_encoder."))
            .map(|(name, shape)| {
                let sizes = shape.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize);
                (name.clone(), sizes.collect())
            })
            .collect();
        config.pause_points.clear();
        config.tuning = Tuning::None;
        let mut shapes = Shapes::default();
        config.init(&Device::flex()).visit(&mut shapes);
        println!("{file}: {} tensors", expected.len());
        assert_eq!(shapes.found, expected, "{file}");
    }
}
