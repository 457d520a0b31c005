//! Commands to a running server: reload and quit.

use tokio::sync::{mpsc, oneshot};

/// What a server can be told while it runs.
#[derive(Debug)]
pub(crate) enum Command {
    /// Read the configuration again and say how it went.
    Reload(oneshot::Sender<Result<(), String>>),
    /// Stop the whole program.
    Quit,
}

/// Commands that wait; more are refused.
const N_COMMANDS_QUEUED: usize = 8;

/// Sends commands to a running server. Clones share it.
#[derive(Clone, Debug)]
pub struct ControlHandle {
    sender: mpsc::Sender<Command>,
}

impl ControlHandle {
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Command>) {
        let (sender, receiver) = mpsc::channel(N_COMMANDS_QUEUED);
        (Self { sender }, receiver)
    }

    /// Reads the configuration again; the old one stays in force if the new one is refused.
    /// # Errors
    /// Why it was refused, for people.
    pub async fn reload(&self) -> Result<(), String> {
        let (reply, outcome) = oneshot::channel();
        let gone = || "the server is not running".to_owned();
        self.sender.try_send(Command::Reload(reply)).map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }

    /// Asks the program to stop; returns whether it heard.
    pub fn quit(&self) -> bool {
        self.sender.try_send(Command::Quit).is_ok()
    }
}
