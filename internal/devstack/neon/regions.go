package neon

import "net/http"

// regions are Neon's, with rough places; the emulator serves one of them or a name of its own.
var regions = []struct{ id, name, lat, long string }{
	{"aws-us-east-1", "AWS US East 1 (N. Virginia)", "38.9940541", "-77.4524237"},
	{"aws-us-east-2", "AWS US East 2 (Ohio)", "39.9611755", "-82.9987942"},
	{"aws-us-west-2", "AWS US West 2 (Oregon)", "46.15", "-123.88"},
	{"aws-eu-central-1", "AWS Europe Central 1 (Frankfurt)", "50.11", "8.68"},
	{"aws-eu-west-2", "AWS Europe West 2 (London)", "51.51", "-0.13"},
	{"aws-ap-southeast-1", "AWS Asia Pacific 1 (Singapore)", "1.37", "103.8"},
	{"aws-ap-southeast-2", "AWS Asia Pacific 2 (Sydney)", "-33.87", "151.21"},
	{"aws-sa-east-1", "AWS South America East 1 (São Paulo)", "-23.55", "-46.63"},
}

func (e *Emulator) listRegions(*http.Request) (int, any, error) {
	list, own := []fields{}, false
	for _, r := range regions {
		own = own || r.id == e.cfg.Region
		list = append(list, fields{"region_id": r.id, "name": r.name, "default": r.id == e.cfg.Region, "geo_lat": r.lat, "geo_long": r.long})
	}
	if !own {
		list = append(list, fields{"region_id": e.cfg.Region, "name": e.cfg.Region, "default": true, "geo_lat": "0", "geo_long": "0"})
	}
	return http.StatusOK, fields{"regions": list}, nil
}
