// Package browser starts a browser that nobody sees, for tests that press the buttons of a page.
package browser

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// programs are those that can be driven, the first that is installed is taken.
var programs = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// Open starts a browser that ends with the test. What is done in it has to be done within the patience.
func Open(t testing.TB, patience time.Duration) context.Context {
	t.Helper()
	program := ""
	for _, name := range programs {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		t.Fatal("no browser is installed: make setup installs chromium where it may; elsewhere install it, or google-chrome")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, done := chromedp.NewContext(ctx)
	t.Cleanup(done)
	// The browser lives as long as the context of its first action, so this one has no time limit.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 1000)); err != nil {
		t.Fatal(err)
	}
	ctx, over := context.WithTimeout(ctx, patience)
	t.Cleanup(over)
	return ctx
}

// Picture keeps what the browser shows as NAME.png in the directory that LIFEBOAT_PICTURES names, if it names one.
func Picture(browser context.Context, t testing.TB, name string) {
	t.Helper()
	dir := os.Getenv("LIFEBOAT_PICTURES")
	if dir == "" {
		return
	}
	shot, err := chromedp.Run(browser, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), shot, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
