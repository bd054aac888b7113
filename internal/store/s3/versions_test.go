package s3_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// The versions of one key may lie on two pages: none may be lost, repeated or moved at the border.
func TestVersionsAcrossPages(t *testing.T) {
	srv := server(t)
	cfg := config(t, srv, locked)
	s, owner := opened(t, cfg), srv.Client()
	for at := range 3 { // the key begins 2, 1 and 0 places before the end of the page
		prefix := fmt.Sprintf("p%d/", at)
		var g errgroup.Group
		g.SetLimit(16)
		for i := range 997 + at {
			g.Go(func() error {
				_, err := s.Create(t.Context(), fmt.Sprintf("%sa/%04d", prefix, i), []byte("x"), store.CreateOptions{})
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		var want []string
		marker := ""
		for i := range 6 {
			out, err := owner.PutObject(t.Context(), &awss3.PutObjectInput{
				Bucket: aws.String(cfg.Bucket), Key: aws.String(prefix + "b"), Body: bytes.NewReader(make([]byte, i)),
			})
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, aws.ToString(out.VersionId))
			if i == 2 {
				out, err := owner.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: aws.String(cfg.Bucket), Key: aws.String(prefix + "b")})
				if err != nil {
					t.Fatal(err)
				}
				marker = aws.ToString(out.VersionId)
			}
		}
		if _, err := s.Create(t.Context(), prefix+"c", nil, store.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		var got []string
		total := 0
		for o, err := range s.Versions(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			total++
			switch {
			case o.Key != prefix+"b":
			case !o.DeleteMarker:
				got = append(got, o.Version)
			// Within a second its exact place is unknown, but it is never before what it hides.
			case o.Version != marker || len(got) < 3:
				t.Errorf("the delete marker %s came after %d objects", o.Version, len(got))
			default:
				marker = "seen"
			}
		}
		if !slices.Equal(got, want) || marker != "seen" || total != 997+at+7+1 {
			t.Errorf("%d versions in all; of the key on the border\n%q, want\n%q", total, got, want)
		}
	}
}
