//! Models that do as the test says: asked for a turn they call the agent's shell tool once with the test's command, and
//! when its result came they say [`DONE`]. Anthropic's Messages API and OpenAI's Responses API, streamed.

use serde_json::{Value, json};

/// What the last turn says.
pub(crate) const DONE: &str = "the agent is done";

/// One event of a stream: its name and its data.
pub(crate) type Event = (&'static str, Value);

/// The next turn of a Messages API conversation; `None` where the request is not the agent's own turn, which alone
/// offers the tool.
pub(crate) fn messages(asked: &Value, command: &str) -> Option<Vec<Event>> {
    let offers = asked["tools"].as_array()?.iter().any(|tool| tool["name"] == "Bash");
    if !offers {
        return None;
    }
    let (block, delta, reason) = if asked["messages"].to_string().contains("\"tool_result\"") {
        (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": DONE}), "end_turn")
    } else {
        let input = json!({"command": command, "description": "Look around"}).to_string();
        let block = json!({"type": "tool_use", "id": "toolu_01", "name": "Bash", "input": {}});
        (block, json!({"type": "input_json_delta", "partial_json": input}), "tool_use")
    };
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": asked["model"], "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1},
    });
    let end = json!({"stop_reason": reason, "stop_sequence": null});
    Some(vec![
        ("message_start", json!({"type": "message_start", "message": message})),
        ("content_block_start", json!({"type": "content_block_start", "index": 0, "content_block": block})),
        ("content_block_delta", json!({"type": "content_block_delta", "index": 0, "delta": delta})),
        ("content_block_stop", json!({"type": "content_block_stop", "index": 0})),
        ("message_delta", json!({"type": "message_delta", "delta": end, "usage": {"output_tokens": 3}})),
        ("message_stop", json!({"type": "message_stop"})),
    ])
}

/// The next turn of a Responses API conversation; without input it is one that the agent warms its connection with.
pub(crate) fn responses(asked: &Value, command: &str) -> Vec<Event> {
    let input = asked["input"].to_string();
    let item = if input == "[]" {
        None
    } else if input.contains("_call_output\"") {
        let content = json!([{"type": "output_text", "text": DONE, "annotations": []}]);
        let item = json!({
            "type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content,
        });
        Some(item)
    } else {
        Some(shell_call(asked, command))
    };
    let response = |status: &str| {
        json!({
            "id": "resp_1", "object": "response", "status": status, "model": asked["model"], "output": [],
            "usage": {
                "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 1,
                "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2,
            },
        })
    };
    let mut events =
        vec![("response.created", json!({"type": "response.created", "response": response("in_progress")}))];
    for name in ["response.output_item.added", "response.output_item.done"] {
        events.extend(item.iter().map(|item| (name, json!({"type": name, "output_index": 0, "item": item}))));
    }
    events.push(("response.completed", json!({"type": "response.completed", "response": response("completed")})));
    events
}

/// A call of the agent's shell tool: of its own, or of the JavaScript tool that newer models get in its place.
fn shell_call(asked: &Value, command: &str) -> Value {
    let offers = |name: &str| asked["tools"].as_array().is_some_and(|all| all.iter().any(|tool| tool["name"] == name));
    let call = |name: &str, arguments: Value| {
        let arguments = arguments.to_string();
        json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name, "arguments": arguments})
    };
    if offers("exec_command") {
        call("exec_command", json!({"cmd": command}))
    } else if offers("shell_command") {
        call("shell_command", json!({"command": command}))
    } else {
        let code = format!("const done = await tools.exec_command({{cmd: {}}}); text(done.output);", json!(command));
        json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "exec", "input": code})
    }
}
