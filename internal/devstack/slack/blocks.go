package slack

import (
	"encoding/json"
	"fmt"
	"unicode/utf16"
)

// The limits of Block Kit that apps meet. Lengths are in characters as JavaScript counts them.
const (
	mostBlocks     = 50
	mostViewBlocks = 100
	mostSection    = 3000
	mostField      = 2000
	mostFields     = 10
	mostHeader     = 150
	mostButton     = 75
	mostValue      = 2000
	mostElements   = 25
	mostContext    = 10
	mostTitle      = 24
	mostPrivate    = 3000
	mostConfirm    = 300
)

func length(text string) int { return len(utf16.Encode([]rune(text))) }

// checkBlocks says what Slack would refuse; empty is nothing.
func checkBlocks(data []byte, modal bool) string {
	var blocks []map[string]any
	if err := json.Unmarshal(data, &blocks); err != nil {
		return "blocks are no list"
	}
	most := mostBlocks
	if modal {
		most = mostViewBlocks
	}
	if len(blocks) > most {
		return fmt.Sprintf("%d blocks", len(blocks))
	}
	ids := map[string]bool{}
	for i, b := range blocks {
		if id, _ := b["block_id"].(string); id != "" {
			if ids[id] || length(id) > 255 {
				return "block_id " + id
			}
			ids[id] = true
		}
		if fault := checkBlock(b, modal); fault != "" {
			return fmt.Sprintf("block %d (%v): %s", i, b["type"], fault)
		}
	}
	return ""
}

func checkBlock(b map[string]any, modal bool) string {
	switch b["type"] {
	case "divider":
		return ""
	case "header":
		return checkText(b["text"], "plain_text", mostHeader)
	case "section":
		fields, _ := b["fields"].([]any)
		if b["text"] == nil && len(fields) == 0 || len(fields) > mostFields {
			return "it has no text, or too many fields"
		}
		for _, f := range fields {
			if fault := checkText(f, "", mostField); fault != "" {
				return fault
			}
		}
		if b["text"] != nil {
			return checkText(b["text"], "", mostSection)
		}
		return ""
	case "context":
		elements, _ := b["elements"].([]any)
		if len(elements) == 0 || len(elements) > mostContext {
			return "no or too many elements"
		}
		for _, e := range elements {
			if fault := checkText(e, "", mostSection); fault != "" {
				return fault
			}
		}
		return ""
	case "actions":
		elements, _ := b["elements"].([]any)
		if len(elements) == 0 || len(elements) > mostElements {
			return "no or too many elements"
		}
		for _, e := range elements {
			if fault := checkButton(e); fault != "" {
				return fault
			}
		}
		return ""
	case "input":
		element, _ := b["element"].(map[string]any)
		if !modal || element == nil || element["type"] != "plain_text_input" {
			return "only a plain_text_input in a modal is known"
		}
		return checkText(b["label"], "plain_text", mostField)
	}
	return "the stand-in does not know it"
}

func checkButton(e any) string {
	button, _ := e.(map[string]any)
	if button == nil || button["type"] != "button" {
		return "only buttons are known"
	}
	if value, _ := button["value"].(string); length(value) > mostValue {
		return "the value is too long"
	}
	if id, _ := button["action_id"].(string); id == "" || length(id) > 255 {
		return "action_id"
	}
	if confirm, ok := button["confirm"].(map[string]any); ok {
		for name, most := range map[string]int{"title": 100, "text": mostConfirm, "confirm": 30, "deny": 30} {
			if fault := checkText(confirm[name], "", most); fault != "" {
				return "confirm: " + fault
			}
		}
	}
	return checkText(button["text"], "plain_text", mostButton)
}

// checkText wants a text object of a type (any when empty), not empty and not too long.
func checkText(v any, kind string, most int) string {
	text, _ := v.(map[string]any)
	if text == nil {
		return "it has no text"
	}
	said, _ := text["text"].(string)
	switch {
	case text["type"] != "plain_text" && text["type"] != "mrkdwn", kind != "" && text["type"] != kind:
		return fmt.Sprintf("text of type %v", text["type"])
	case said == "" || length(said) > most:
		return fmt.Sprintf("a text of %d characters, 1 to %d are allowed", length(said), most)
	}
	return ""
}

func checkView(v map[string]any) string {
	if v["type"] != "modal" {
		return "only modals are known"
	}
	if private, _ := v["private_metadata"].(string); length(private) > mostPrivate {
		return "private_metadata is too long"
	}
	for _, name := range []string{"title", "submit", "close"} {
		if v[name] == nil && name != "title" {
			continue
		}
		if fault := checkText(v[name], "plain_text", mostTitle); fault != "" {
			return name + ": " + fault
		}
	}
	blocks, err := json.Marshal(v["blocks"])
	if err != nil {
		return "blocks"
	}
	return checkBlocks(blocks, true)
}
