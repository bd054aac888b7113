package activities

import "testing"

func TestOnlyHarmlessAnswersAreShown(t *testing.T) {
	for _, ok := range []string{"0", "-12", "4711.25", "16/B3733C50", "t"} {
		if shown(ok) != ok {
			t.Errorf("%q is kept back", ok)
		}
	}
	for _, bad := range []string{"Tremblay", "TREM 9001 0112", "1990-01-12", "anne@example.org", "postgresql://u:p@h/d", "4111111111111111"} {
		if shown(bad) != "" {
			t.Errorf("%q is shown", bad)
		}
	}
	if shownLine("scaled to 3") == "" || shownLine("DSN postgresql://u:p@h/d") != "" || shownLine("token=abc") != "" {
		t.Error("a program's last line is shown, or kept back, wrongly")
	}
}

func TestExpect(t *testing.T) {
	three, five, text := int64(3), 5.0, "x"
	value := func(s string) *string { return &s }
	for name, tc := range map[string]struct {
		expect Expect
		rows   int64
		value  *string
		ok     bool
	}{
		"rows": {Expect{Rows: &three}, 3, nil, true}, "other rows": {Expect{Rows: &three}, 2, nil, false},
		"enough rows": {Expect{RowsAtLeast: &three}, 4, nil, true}, "too few": {Expect{RowsAtLeast: &three}, 2, nil, false},
		"equal": {Expect{Equals: &text}, 1, value("x"), true}, "not equal": {Expect{Equals: &text}, 1, value("y"), false}, "null": {Expect{Equals: &text}, 1, nil, false},
		"large": {Expect{AtLeast: &five}, 1, value("5"), true}, "small": {Expect{AtLeast: &five}, 1, value("4.9"), false}, "no number": {Expect{AtLeast: &five}, 1, value("five"), false},
	} {
		if err := tc.expect.Check(tc.rows, tc.value); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
