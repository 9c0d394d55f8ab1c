//! What an engine brings so that core can run it through the exhaustive crash test: itself on top of a simulated
//! platform, and the requests of its workflows. The simulation replaces the platform's client, not the engine.
use crate::{Factory, Operation};
use async_trait::async_trait;
use serde_json::{Map, Value};
use std::sync::Arc;

/// One request, relative to the mount.
#[derive(Clone)]
pub struct Step {
    /// What it does.
    pub operation: Operation,
    /// The path behind the mount.
    pub path: String,
    /// Its fields.
    pub fields: Map<String, Value>,
}

impl Step {
    /// A read.
    pub fn read(path: impl Into<String>) -> Self {
        Self { operation: Operation::Read, path: path.into(), fields: Map::new() }
    }
    /// A write of the fields of a JSON object.
    pub fn write(path: impl Into<String>, fields: Value) -> Self {
        let fields = if let Value::Object(map) = fields { map } else { Map::new() };
        Self { operation: Operation::Update, path: path.into(), fields }
    }
}

/// Which side of a platform call is passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// The platform has not heard of the call.
    Before,
    /// The platform did it; the engine has not heard so.
    After,
}

/// Awaited before and after every call to a simulated platform. A crash is an answer that never comes.
#[async_trait]
pub trait Interrupt: Send + Sync {
    /// The call named `call` is at `moment`.
    async fn at(&self, call: &'static str, moment: Moment);
}

/// The simulated platform, as the crash test looks at it from outside. It survives the crash.
pub trait Platform: Send + Sync {
    /// Whom to ask around every call from now on.
    fn interrupt(&self, interrupt: Arc<dyn Interrupt>);
    /// While `true`, every call fails with [`crate::Error::Unavailable`].
    fn set_down(&self, down: bool);
    /// Names (as in [`crate::Grant::name`]) of the credentials on it that were made by issuing.
    fn live(&self) -> Vec<String>;
    /// Whether the platform accepts the credential in the `data` of an answer (issued or static).
    fn accepts(&self, data: &Map<String, Value>) -> bool;
    /// How many secrets of Lessor's own (root) account it accepts: one, when no rotation is under way.
    fn root_secrets(&self) -> usize;
}

/// The static credential of a simulation.
pub struct StaticSteps {
    /// Creates the static role.
    pub create: Step,
    /// Rotates it.
    pub rotate: Step,
    /// Reads the credential.
    pub read: Step,
}

/// An engine over a simulated platform, and its workflows.
pub struct Simulation {
    /// Makes backends over the simulated platform.
    pub factory: Arc<dyn Factory>,
    /// The platform.
    pub platform: Arc<dyn Platform>,
    /// Configuration and one role.
    pub setup: Vec<Step>,
    /// Issues a credential with a renewable (where the engine has such) lease.
    pub issue: Step,
    /// Rotates the root secret.
    pub rotate_root: Option<Step>,
    /// The static credential.
    pub static_role: Option<StaticSteps>,
}
