//! Lua scripts: called by their hash, and sent in full to a server that does not have them yet.

use redis::{FromRedisValue, Pipeline, Value};

use super::link::{Link, Trouble};

/// A call of a script.
pub(super) struct Call<'a> {
    code: &'static str,
    keys: Vec<&'a str>,
    args: Vec<String>,
}

impl<'a> Call<'a> {
    /// A call of the script with this code.
    pub(super) fn of(code: &'static str) -> Self {
        Self { code, keys: Vec::new(), args: Vec::new() }
    }

    /// Adds a key that the script uses.
    pub(super) fn key(mut self, key: &'a str) -> Self {
        self.keys.push(key);
        self
    }

    /// Adds an argument.
    pub(super) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Runs the script.
    pub(super) async fn run<T: FromRedisValue>(&self, link: &Link) -> Result<T, Trouble> {
        let hash = redis::Script::new(self.code).get_hash().to_owned();
        let answers = match link.ask(&self.request("EVALSHA", &hash)).await {
            Err(Trouble::Refused { code, .. }) if code == "NOSCRIPT" => {
                link.ask(&self.request("EVAL", self.code)).await?
            }
            answered => answered?,
        };
        let answer = answers.into_iter().next().unwrap_or(Value::Nil);
        T::from_redis_value(answer).map_err(|error| Trouble::odd(error.to_string()))
    }

    fn request(&self, command: &str, script: &str) -> Pipeline {
        let mut request = redis::pipe();
        request.cmd(command).arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.args);
        request
    }
}
