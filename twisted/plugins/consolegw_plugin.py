"""Makes ``twistd consolegw`` known; the service is built by ``gateway.tap``."""

from twisted.application.service import ServiceMaker

gateway = ServiceMaker("consolegw", "gateway.tap", "The console gateway.", "consolegw")
