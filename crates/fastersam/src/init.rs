//! Initial values from the project's own generators.
//!
//! Burn draws initial values from a generator that is global to the process. A run that must be
//! repeatable can't depend on it, so [`initialise`] draws every random starting value anew, each
//! tensor from a generator keyed by the seed and the parameter's name. Tensors that start as a
//! constant (norms, scales, up-projections at zero) stay as they are.
//!
//! Burn's identities of parameters are random as well, and lie in the files that it writes. They become hashes of the
//! names, so that equal trainings write equal files.

use std::collections::BTreeSet;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Tensor, TensorData};
use fastersam_volume::KeyedRng;

/// Replaces every random starting value of `module`, and the identities of its parameters.
///
/// Linear and convolution weights are normal with the variance of PyTorch's default
/// (1 / (3 fan-in)), biases zero; position tables have a standard deviation of 0.02; embeddings and
/// the positional frequencies are standard normal, as in SAM.
#[must_use]
pub fn initialise<M: Module>(module: M, seed: u64) -> M {
    initialise_others(module, seed, &BTreeSet::new())
}

/// [`initialise`] without the parameters at the paths `filled`, which have their values already.
pub(crate) fn initialise_others<M: Module>(module: M, seed: u64, filled: &BTreeSet<String>) -> M {
    module.map(&mut Initialiser { seed, filled, path: Vec::new() })
}

struct Initialiser<'a> {
    seed: u64,
    filled: &'a BTreeSet<String>,
    path: Vec<String>,
}

impl ModuleMapper for Initialiser<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, mut param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        param.id = ParamId::from(hash(&path));
        if self.filled.contains(&path) {
            return param;
        }
        param.map(|tensor| {
            let device = tensor.device();
            let require_grad = tensor.is_require_grad();
            let dims = tensor.dims();
            let Ok(values) = tensor.clone().into_data().try_to_vec::<f32>() else { return tensor };
            let is_constant = values.windows(2).all(|pair| pair[0] == pair[1]);
            if is_constant {
                return tensor;
            }
            let values = starting_values(&path, &dims, values.len(), self.seed);
            let fresh = Tensor::from_data(TensorData::new(values, dims), &device);
            if require_grad { fresh.require_grad() } else { fresh }
        })
    }
}

/// The initial values of one tensor.
fn starting_values(path: &str, dims: &[usize], len: usize, seed: u64) -> Vec<f32> {
    let std = if path.ends_with("pos_embed") || path.contains("rel_pos") {
        0.02
    } else if ["_token.weight", "_tokens.weight", "_embed.weight", "gaussian_matrix"]
        .iter()
        .any(|name| path.ends_with(name))
    {
        1.0
    } else {
        match dims {
            [] | [_] => return vec![0.0; len],
            [fan_in, _] => (1.0 / (3.0 * *fan_in as f64)).sqrt(),
            [_, rest @ ..] => (1.0 / (3.0 * rest.iter().product::<usize>() as f64)).sqrt(),
        }
    };
    let mut rng = KeyedRng::new(seed, &[hash(path)]);
    (0..len).map(|_| (std * rng.normal()) as f32).collect()
}

/// FNV-1a: the same on every machine and in every version.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
